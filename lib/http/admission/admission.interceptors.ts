import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { lastValueFrom, of, type Observable } from 'rxjs';
import type { HttpResponse } from '../answer.js';
import { LARGE } from '../bodies/incoming-body.js';
import { bodyOf, type HttpRequest, userOf } from '../sync-request.js';
import { Admission, type Work } from './admission.js';
import type { Leave } from './fair-gate.js';

/** Makes each request wait for its user's turn: once its user is known, before any of the body is read. */
@Injectable()
export class AdmissionInterceptor implements NestInterceptor {
  constructor(private readonly admission: Admission) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const leave = await this.admission.request(
      userOf(http.getRequest<HttpRequest>()),
      http.getResponse<HttpResponse>(),
    );
    return untilDone(next, leave);
  }
}

/**
 * Makes a request wait until it may be worked on: once its body is there, which may take a phone minutes, before it
 * is parsed and needs a connection.
 */
@Injectable()
abstract class WorkInterceptor implements NestInterceptor {
  protected abstract readonly work: Work;

  constructor(private readonly admission: Admission) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const request = http.getRequest<HttpRequest>();
    const isLarge = bodyOf(request).text.length > LARGE;
    const response = http.getResponse<HttpResponse>();
    const leave = await this.admission.work(this.work, isLarge, userOf(request), response);
    return untilDone(next, leave);
  }
}

@Injectable()
export class PushInterceptor extends WorkInterceptor {
  protected readonly work = 'push';
}

@Injectable()
export class ReadInterceptor extends WorkInterceptor {
  protected readonly work = 'read';
}

/** Work goes on after a host's timeout, which ends the subscription alone: its place is given back when it has ended. */
async function untilDone(next: CallHandler, leave: Leave): Promise<Observable<unknown>> {
  try {
    return of(await lastValueFrom(next.handle(), { defaultValue: undefined }));
  } finally {
    leave();
  }
}
