import {
  All,
  applyDecorators,
  SetMetadata,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { of, type Observable } from 'rxjs';
import { sendAnswer, type HttpResponse } from './answer.js';
import { OPERATIONS, type OperationName } from './openapi/operations.js';
import { described, Undescribed } from './openapi/swagger-metadata.js';
import type { HttpRequest } from './sync-request.js';

const ALLOWED = Symbol.for('nestjs-synchro:allowed-method');
const SMALL = Symbol.for('nestjs-synchro:small-bodies');

/** An endpoint with its one method. Every method is routed to it, so that the others get the contract's 405. */
export function SyncRoute(name: OperationName | 'live'): MethodDecorator {
  const [method, description] =
    name === 'live' ? (['GET', Undescribed] as const) : ([OPERATIONS[name].method, described(name)] as const);
  const small = SetMetadata(SMALL, name === 'register' || name === 'snapshot');
  return applyDecorators(All(name), SetMetadata(ALLOWED, method), small, description);
}

/** Whether no honest body of a route is large: it has neither changes nor all the buckets that a device knows. */
export function hasSmallBodies(context: ExecutionContext): boolean {
  return Reflect.getMetadata(SMALL, context.getHandler()) === true;
}

/** Whether the handler of a route is one of ours: Nest gives it the metadata of the controller's method. */
export function isSyncRoute(handler: unknown): boolean {
  return typeof handler === 'function' && Reflect.hasMetadata(ALLOWED, handler);
}

/** Answers 405 to other methods than an endpoint's, before anything else of the request is read. */
export class MethodInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const allowed: unknown = Reflect.getMetadata(ALLOWED, context.getHandler());
    if (typeof allowed !== 'string' || http.getRequest<HttpRequest>().method === allowed)
      return next.handle();
    sendAnswer(http.getResponse<HttpResponse>(), {
      status: 405,
      body: JSON.stringify({ error: 'method not allowed' }),
      headers: { Allow: allowed },
    });
    return of(undefined);
  }
}
