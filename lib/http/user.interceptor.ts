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
import { SyncLogger } from '../common/sync-logger.js';
import { bytesAbove, TEXT_LIMITS } from '../common/text-limits.js';
import { SYNCHRO_OPTIONS } from '../settings/synchro.options.js';
import type { SynchroSettings } from '../settings/synchro.settings.js';
import { identityOf, setUser, type HttpRequest } from './sync-request.js';

/**
 * Finds the user of a request, by the host's own rule or else from the guard that identified the caller, and refuses
 * no request. An interceptor, because it has to come after every guard of the host, also in a subclass that adds its
 * own.
 */
@Injectable()
export class UserInterceptor implements NestInterceptor {
  private readonly logger: SyncLogger;
  private hasHinted = false;
  /** The warnings about answers that are no user, each given once. */
  private readonly warned = new Set<string>();

  constructor(@Inject(SYNCHRO_OPTIONS) private readonly options: Pick<SynchroSettings, 'userId' | 'logger'>) {
    this.logger = new SyncLogger(options.logger, 'Synchro');
  }

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<HttpRequest>();
    const { userId: ownRule } = this.options;
    const answer: unknown = ownRule ? await ownRule(context) : identityOf(request);
    const userId = idText(answer);
    if (userId === null) {
      if (ownRule) this.warnOnce(`the option userId answered ${describeAnswer(answer)}`);
      else this.hint();
      throw new SynchroError('user_missing', 'missing user identity');
    }
    if (userId.includes('\0') || bytesAbove(TEXT_LIMITS.userId, userId) !== null) {
      throw new SynchroError('bad_request', 'invalid user identity');
    }
    setUser(request, canonicalId(userId));
    return next.handle();
  }

  /** Once: a host may let requests without a user come this far, any number of them. */
  private warnOnce(why: string): void {
    if (this.warned.has(why)) return;
    this.warned.add(why);
    this.logger.warn(`a request has no user, and was answered 401: ${why}`);
  }

  /** A guard of the library refuses unidentified callers: without any guard, every answer will be 401. */
  private hint(): void {
    if (this.hasHinted) return;
    this.hasHinted = true;
    this.logger.error(
      'nobody can sync: the option userId is not set, and no guard of the library (JwtGuard, UserIdHeaderGuard) ran',
    );
  }
}

/** The id in the form in which columns hold it; null: it is none. */
function idText(answer: unknown): string | null {
  if (typeof answer === 'string') return answer === '' ? null : answer;
  if (typeof answer === 'bigint' || Number.isSafeInteger(answer)) return String(answer);
  return null;
}

/** Describes the answer of the host's rule that is no id, without its content. */
function describeAnswer(answer: unknown): string {
  if (answer === undefined || answer === null)
    return `${String(answer)}: no guard has put a user on the request, or the rule looks for it elsewhere`;
  if (answer === '') return 'an empty text';
  if (typeof answer === 'number') return 'a number that is no integer which JavaScript holds exactly';
  return `${typeof answer === 'object' ? 'an object' : `a ${typeof answer}`}: it has to answer the id alone`;
}
