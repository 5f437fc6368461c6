import { All, Req, Res, UseFilters, UseInterceptors } from '@nestjs/common';
import { SyncEngine } from '../engine/sync-engine.js';
import { sendAnswer, type Answer, type HttpResponse } from './answer.js';
import {
  metaAnswer,
  pullAnswer,
  pushAnswer,
  registerAnswer,
  schemaAnswer,
  snapshotAnswer,
} from './answers.js';
import { pullRequest, pushRequest, registerRequest, snapshotRequest } from './requests.js';
import { SyncExceptionFilter } from './sync-exception.filter.js';
import { methodNotAllowed } from './method-not-allowed.js';
import { type HttpRequest } from './sync-request.js';
import { UserInterceptor } from './user.interceptor.js';

/**
 * The six endpoints of the contract. `forRoot` makes a subclass of it with the host's path and guards; with
 * `controller: false` the host does that itself, and adds `@Controller('sync')` and its guards.
 *
 * Every method is routed here, so that a wrong one gets the contract's 405.
 */
@UseInterceptors(UserInterceptor)
@UseFilters(SyncExceptionFilter)
export class SyncController {
  constructor(private readonly engine: SyncEngine) {}

  @All('register')
  register(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    return this.post(request, response, async () =>
      registerAnswer(await this.engine.register(registerRequest(request))),
    );
  }

  @All('pull')
  pull(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    return this.post(request, response, async () => pullAnswer(await this.engine.pull(pullRequest(request))));
  }

  @All('push')
  push(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    return this.post(request, response, async () => pushAnswer(await this.engine.push(pushRequest(request))));
  }

  @All('snapshot')
  snapshot(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    return this.post(request, response, async () =>
      snapshotAnswer(await this.engine.snapshot(snapshotRequest(request))),
    );
  }

  @All('tables')
  tables(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    return this.get(request, response, async () => metaAnswer(await this.engine.schema()));
  }

  @All('schema')
  schema(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    return this.get(request, response, async () => schemaAnswer(await this.engine.schema()));
  }

  private async post(
    request: HttpRequest,
    response: HttpResponse,
    answer: () => Promise<Answer>,
  ): Promise<void> {
    sendAnswer(response, request.method === 'POST' ? await answer() : methodNotAllowed('POST'));
  }

  private async get(
    request: HttpRequest,
    response: HttpResponse,
    answer: () => Promise<Answer>,
  ): Promise<void> {
    sendAnswer(response, request.method === 'GET' ? await answer() : methodNotAllowed('GET'));
  }
}
