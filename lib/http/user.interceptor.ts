import {
  Inject,
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import type { Observable } from 'rxjs';
import { canonicalId } from '../common/canonical-id.js';
import { SynchroError } from '../common/errors.js';
import { checkVersion, gated } from '../engine/version-gate.js';
import type { SchemaIncompatibleEvent } from '../hooks/hook-events.js';
import { HookRunner } from '../hooks/hook-runner.js';
import { SYNCHRO_OPTIONS, type SynchroOptions } from '../synchro.options.js';
import { clientIdOf } from './requests.js';
import { setUser, userOf } from './sync-request.js';

/**
 * Finds out who is asking, by the host's own rule, and refuses nobody and apps that are too old. An interceptor,
 * because it has to come after every guard of the host, also in a subclass that adds its own.
 */
@Injectable()
export class UserInterceptor implements NestInterceptor {
  constructor(
    @Inject(SYNCHRO_OPTIONS) private readonly options: SynchroOptions,
    private readonly hooks: HookRunner,
  ) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const userId = await this.options.userId(context);
    if (typeof userId !== 'string' || userId === '')
      throw new SynchroError('user_missing', 'missing user identity');
    const request = context
      .switchToHttp()
      .getRequest<{ headers: Record<string, string | string[] | undefined> }>();
    const version = request.headers['x-app-version'];
    setUser(request, canonicalId(userId));
    await this.gate(request, typeof version === 'string' ? version : '');
    return next.handle();
  }

  private gate(request: object, clientVersion: string): Promise<void> {
    const { minClientVersion: minVersion = '' } = this.options;
    const event = (): SchemaIncompatibleEvent => ({
      userId: userOf(request),
      clientId: clientIdOf(request),
      clientVersion,
      minVersion,
    });
    return gated(this.hooks, event, () => checkVersion(clientVersion, minVersion));
  }
}
