import {
  Inject,
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import type { Observable } from 'rxjs';
import { checkVersion, gated } from '../engine/request/version-gate.js';
import type { SchemaIncompatibleEvent } from '../settings/hook-events.js';
import { HookRunner } from '../hooks/hook-runner.js';
import { SYNCHRO_OPTIONS } from '../settings/synchro.options.js';
import type { SynchroSettings } from '../settings/synchro.settings.js';
import { clientIdOf } from './requests.js';
import { userOf, type HttpRequest } from './sync-request.js';

/** Refuses apps that are too old. Comes after the body, as the hook gets the device's id. */
@Injectable()
export class VersionInterceptor implements NestInterceptor {
  private readonly header: string;

  constructor(
    @Inject(SYNCHRO_OPTIONS)
    private readonly options: Pick<SynchroSettings, 'minClientVersion' | 'versionHeader'>,
    private readonly hooks: HookRunner,
  ) {
    this.header = options.versionHeader.toLowerCase();
  }

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<HttpRequest>();
    const header = request.headers[this.header];
    const clientVersion = typeof header === 'string' ? header : '';
    const { minClientVersion: minVersion } = this.options;
    const event = (): SchemaIncompatibleEvent => ({
      userId: userOf(request),
      clientId: clientIdOf(request),
      clientVersion,
      minVersion,
    });
    await gated(this.hooks, event, () => checkVersion(clientVersion, minVersion));
    return next.handle();
  }
}
