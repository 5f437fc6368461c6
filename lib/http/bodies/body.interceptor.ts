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
import { readKeptBody, type HttpRequest } from '../sync-request.js';

/** Reads the body, now that it is known who asks and that the server has room. */
@Injectable()
export class BodyInterceptor implements NestInterceptor {
  constructor(@Inject(SYNCHRO_OPTIONS) private readonly options: SynchroSettings) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<HttpRequest>();
    if (request.method === 'POST') await readKeptBody(request, this.options.limits);
    return next.handle();
  }
}
