import { Catch, HttpException, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { isTransient, isUnfitTable, isUnstorable } from '../database/database-error.js';
import { describeError, stackOf } from '../common/describe-error.js';
import { SynchroError, type SynchroErrorCode } from '../common/errors.js';
import { SyncLogger } from '../common/sync-logger.js';
import { SchemaMismatchError } from '../engine/request/schema-mismatch.error.js';
import { SYNCHRO_OPTIONS } from '../settings/synchro.options.js';
import type { SynchroSettings } from '../settings/synchro.settings.js';
import { isAnswered, retryAfterOf, sendAnswer, type Answer, type HttpResponse } from './answer.js';
import { failureMessage } from './endpoints.js';
import type { HttpRequest } from './sync-request.js';

/** Answers that SDKs retry by themselves. */
const RETRY_LATER = new Set([429, 503]);

const STATUS: Partial<Record<SynchroErrorCode, number>> = {
  bad_request: 400,
  user_missing: 401,
  client_not_registered: 404,
  client_stale: 410,
  upgrade_required: 426,
};

/** Turns every error of the sync routes into the contract's answer; the host's filters don't see them. */
@Catch()
export class SyncExceptionFilter implements ExceptionFilter {
  private readonly logger: SyncLogger;

  constructor(
    @Inject(SYNCHRO_OPTIONS) private readonly options: Pick<SynchroSettings, 'retryAfter' | 'logger'>,
  ) {
    this.logger = new SyncLogger(options.logger, 'Synchro');
  }

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const response = http.getResponse<HttpResponse>();
    if (isAnswered(response)) return;
    sendAnswer(response, this.answer(error, http.getRequest<HttpRequest>(), retryAfterOf(response)));
  }

  /** @param retryAfter what a guard of the host's has put on the answer */
  private answer(error: unknown, { url = '' }: HttpRequest, retryAfter: number | undefined): Answer {
    if (error instanceof SchemaMismatchError) return schemaMismatch(error);
    if (error instanceof SynchroError && error.code in STATUS)
      return failure(STATUS[error.code] ?? 500, error.message);
    if (error instanceof HttpException) {
      const status = error.getStatus();
      return RETRY_LATER.has(status)
        ? this.retryLater(status, error.message, retryAfter)
        : failure(status, error.message);
    }
    if (isTransient(error) || (error instanceof SynchroError && error.code === 'temporarily_unavailable')) {
      return this.retryLater(503, 'service temporarily unavailable');
    }
    if (isUnstorable(error))
      return failure(400, 'the request has characters that the database’s encoding does not have');
    this.logger.error('a request failed', { error: describeError(error), stack: stackOf(error) });
    // Nothing is wrong with the request: devices come back, and go on when the tables are fixed.
    if (isUnfit(error)) return this.retryLater(503, 'service temporarily unavailable');
    return failure(500, failureMessage(url));
  }

  private retryLater(status: number, message: string, seconds = this.options.retryAfter): Answer {
    return {
      status,
      headers: { 'Retry-After': String(seconds) },
      body: JSON.stringify({ error: message, retry_after: seconds }),
    };
  }
}

/** Whether the tables are not, at the moment, as the entities say. Hosts don't change sync's own tables. */
function isUnfit(error: unknown): boolean {
  if (error instanceof SynchroError) return error.problems.length > 0;
  return isUnfitTable(error) && !/[".]sync_\w+"/.test(describeError(error));
}

/** The body's values are all strings: SDKs decode it as such. */
function failure(status: number, message: string): Answer {
  return { status, body: JSON.stringify({ error: message }) };
}

function schemaMismatch({ message, contract }: SchemaMismatchError): Answer {
  const body =
    `{"code":"schema_mismatch","message":${JSON.stringify(message)}` +
    `,"server_schema_version":${contract.version},"server_schema_hash":${JSON.stringify(contract.hash)}}`;
  return { status: 409, body };
}
