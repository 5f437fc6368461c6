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
import type { HttpRequest } from './sync-request.js';

const ALLOWED = Symbol.for('nestjs-synchro:allowed-method');

/** Under which Nest's adapter keeps what it gives to Fastify as a route's `config` (its `@RouteConfig`). */
const FASTIFY_CONFIG = '__fastify_route_config__';
const CONFIG = { synchro: true } as const;

type Method = 'GET' | 'POST';

/** An endpoint with its one method. Every method is routed to it, so that the others get the contract's 405. */
export function SyncRoute(method: Method, path: string): MethodDecorator {
  return applyDecorators(All(path), SetMetadata(ALLOWED, method), SetMetadata(FASTIFY_CONFIG, CONFIG));
}

/** Whether a handler in Express's router is one of ours: Nest gives it the metadata of the controller's method. */
export function isSyncRoute(handler: object): boolean {
  return Reflect.hasMetadata(ALLOWED, handler);
}

/** Whether a route in Fastify, by its `config`, is one of ours. */
export function isSyncRouteConfig(config: object | undefined): boolean {
  return config !== undefined && 'synchro' in config;
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
