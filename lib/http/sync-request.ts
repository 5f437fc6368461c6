import { SynchroError } from '../common/errors.js';
import type { LargeBodyRules } from './bodies/incoming-body.js';
import { PendingBody } from './bodies/pending-body.js';
import { type BodyContentLimits, contentCheck, type ReceivedBody } from './bodies/request-body.js';

const BODY = Symbol.for('nestjs-synchro:body');
const IDENTITY = Symbol.for('nestjs-synchro:identity');
const USER = Symbol.for('nestjs-synchro:user');

/** State that is kept on a request: its body, unread or read, the caller that a guard identified, and the user. */
interface SyncState {
  [BODY]?: ReceivedBody | PendingBody;
  [IDENTITY]?: string;
  [USER]?: string;
}

/** The platform's request object, as far as the sync routes read it. */
export interface HttpRequest {
  readonly method?: string;
  readonly url?: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export function keepBody(request: object, body: PendingBody): void {
  (request as SyncState)[BODY] = body;
}

/** Whether another `SynchroModule` of the same app has kept the request's body. */
export function hasKeptBody(request: object): boolean {
  return BODY in request;
}

/** @throws HttpException when the body is not taken */
export async function readKeptBody(
  request: object,
  limits: BodyContentLimits,
  turn: LargeBodyRules['turn'],
): Promise<void> {
  const state = request as SyncState;
  const { [BODY]: body } = state;
  if (!(body instanceof PendingBody)) return;
  state[BODY] = { text: await body.read({ turn, check: contentCheck(limits) }), limits };
}

/** The body that {@link readKeptBody} has read. */
export function bodyOf(request: object): ReceivedBody {
  const { [BODY]: body } = request as SyncState;
  if (body !== undefined && !(body instanceof PendingBody)) return body;
  throw new SynchroError('bad_request', 'invalid request body');
}

/** The same for the last reader: megabytes are not kept while the request is worked on. */
export function takeBody(request: object): ReceivedBody {
  const body = bodyOf(request);
  delete (request as SyncState)[BODY];
  return body;
}

/**
 * Stores a caller where sync and hosts (`request.user`) read it, unless there is one already: a later guard may
 * refuse a caller, and not replace it by another one.
 */
export function identify(request: object, user: { readonly id: string }): void {
  (request as SyncState)[IDENTITY] ??= user.id;
  const host = request as { user?: unknown };
  host.user ??= user;
}

/** The user id that a guard left; undefined when none did. */
export function identityOf(request: object): string | undefined {
  return (request as SyncState)[IDENTITY];
}

export function setUser(request: object, userId: string): void {
  (request as SyncState)[USER] = userId;
}

/** The canonical user id; empty when there is no known user. */
export function userOf(request: object): string {
  return (request as SyncState)[USER] ?? '';
}
