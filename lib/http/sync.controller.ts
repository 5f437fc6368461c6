import { Req, Res, UseFilters, UseInterceptors } from '@nestjs/common';
import { inTurns } from '../common/pieces.js';
import { SyncEngine } from '../engine/sync-engine.js';
import {
  AdmissionInterceptor,
  PushInterceptor,
  ReadInterceptor,
} from './admission/admission.interceptors.js';
import { sendAnswer, type HttpResponse } from './answer.js';
import {
  metaAnswer,
  pullAnswer,
  pushAnswer,
  registerAnswer,
  schemaAnswer,
  snapshotAnswer,
} from './answers.js';
import { BodyInterceptor } from './bodies/body.interceptor.js';
import { LiveEndpoint } from './live/live-endpoint.js';
import { pullRequest, pushRequest, registerRequest, snapshotRequest } from './requests.js';
import { SyncExceptionFilter } from './sync-exception.filter.js';
import type { HttpRequest } from './sync-request.js';
import { MethodInterceptor, SyncRoute } from './sync-route.js';
import { UserInterceptor } from './user.interceptor.js';
import { VersionInterceptor } from './version.interceptor.js';

/**
 * The seven endpoints of the contract. `forRoot` makes a subclass of it with the host's path and guards; with
 * `controller: false` the host does that itself, and adds `@Controller('sync')` and its guards.
 */
@UseInterceptors(
  MethodInterceptor,
  UserInterceptor,
  AdmissionInterceptor,
  BodyInterceptor,
  VersionInterceptor,
)
@UseFilters(SyncExceptionFilter)
export class SyncController {
  constructor(
    private readonly engine: SyncEngine,
    private readonly liveEndpoint: LiveEndpoint,
  ) {}

  @SyncRoute('register')
  async register(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    sendAnswer(response, registerAnswer(await this.engine.register(await registerRequest(request))));
  }

  @SyncRoute('pull')
  @UseInterceptors(ReadInterceptor)
  async pull(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    sendAnswer(response, pullAnswer(await this.engine.pull(await pullRequest(request))));
  }

  @SyncRoute('push')
  @UseInterceptors(PushInterceptor)
  async push(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    const outcome = await this.engine.push(await pushRequest(request));
    sendAnswer(response, await inTurns(pushAnswer(outcome)));
  }

  @SyncRoute('snapshot')
  @UseInterceptors(ReadInterceptor)
  async snapshot(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    sendAnswer(response, snapshotAnswer(await this.engine.snapshot(await snapshotRequest(request))));
  }

  @SyncRoute('tables')
  async tables(@Res() response: HttpResponse): Promise<void> {
    sendAnswer(response, metaAnswer(await this.engine.schema()));
  }

  @SyncRoute('schema')
  async schema(@Res() response: HttpResponse): Promise<void> {
    sendAnswer(response, schemaAnswer(await this.engine.schema()));
  }

  /** Returns when the connection has begun; it may go on for minutes. */
  @SyncRoute('live')
  async live(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    await this.liveEndpoint.open(request, response);
  }
}
