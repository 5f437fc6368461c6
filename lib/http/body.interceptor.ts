import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { readKeptBody, type HttpRequest } from './sync-request.js';

/** Reads the body, now that it is known who asks and that the server has room. */
export class BodyInterceptor implements NestInterceptor {
  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<HttpRequest>();
    if (request.method === 'POST') await readKeptBody(request);
    return next.handle();
  }
}
