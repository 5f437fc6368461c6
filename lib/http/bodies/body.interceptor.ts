import {
  Inject,
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import type { Observable } from 'rxjs';
import { SYNCHRO_OPTIONS } from '../../settings/synchro.options.js';
import type { SynchroSettings } from '../../settings/synchro.settings.js';
import { Admission } from '../admission/admission.js';
import type { HttpResponse } from '../answer.js';
import { readKeptBody, userOf, type HttpRequest } from '../sync-request.js';
import { hasSmallBodies } from '../sync-route.js';
import { LARGE, tooLarge } from './incoming-body.js';

/** Reads the body, now that the user is known and the server has room. */
@Injectable()
export class BodyInterceptor implements NestInterceptor {
  constructor(
    @Inject(SYNCHRO_OPTIONS) private readonly options: SynchroSettings,
    private readonly admission: Admission,
  ) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const request = http.getRequest<HttpRequest>();
    if (request.method === 'POST') {
      await readKeptBody(request, this.options.limits, async () => {
        if (hasSmallBodies(context)) throw tooLarge(LARGE);
        await this.admission.largeBody(userOf(request), http.getResponse<HttpResponse>());
      });
    }
    return next.handle();
  }
}
