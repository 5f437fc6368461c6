import { STATUS_CODES } from 'node:http';
import { HttpException, type CanActivate, type ExecutionContext, type Type } from '@nestjs/common';
import { setRetryAfter, type HttpResponse } from '../answer.js';
import { configuredGuard, type Configured } from './configured-guard.js';

/** Not now: too many requests (429), or maintenance (503). */
export interface Rejection {
  readonly status: 429 | 503;
  /** When devices shall come back; rounded up to whole seconds. */
  readonly seconds: number;
}

/** The host's rule: a rejection, or null to let the request through. */
export type RetryAfterPolicy = (context: ExecutionContext) => Rejection | null | Promise<Rejection | null>;

/**
 * A guard class that asks devices to come back later when the host says so, with `Retry-After` as a header and in the
 * body; SDKs do by themselves. It stands before or after the guard that identifies the caller, as the host lists them.
 *
 * A policy that needs services comes from a factory:
 * `RetryAfterGuard({ inject: [Limiter], useFactory: (limiter: Limiter) => (context) => limiter.check(context) })`.
 */
export function RetryAfterGuard(policy: Configured<RetryAfterPolicy>): Type<CanActivate> {
  return configuredGuard('RetryAfterGuard', policy, (resolved) => new Backpressure(resolved));
}

class Backpressure implements CanActivate {
  constructor(private readonly policy: RetryAfterPolicy) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const rejection = await this.policy(context);
    if (rejection === null) return true;
    const { status, seconds } = rejection;
    setRetryAfter(context.switchToHttp().getResponse<HttpResponse>(), Math.ceil(seconds));
    throw new HttpException(STATUS_CODES[status] ?? '', status);
  }
}
