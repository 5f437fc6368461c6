import type { HttpException } from '@nestjs/common';

const BODY = Symbol.for('nestjs-synchro:body');
const IDENTITY = Symbol.for('nestjs-synchro:identity');
const USER = Symbol.for('nestjs-synchro:user');

/** What is kept on a request: its raw body or why there is none, whom a guard identified, and who is asking. */
interface SyncState {
  [BODY]?: Buffer | HttpException;
  [IDENTITY]?: string;
  [USER]?: string;
}

/** The platform's request object, as far as the sync routes look at it. */
export interface HttpRequest {
  readonly method?: string;
  readonly url?: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export function setBody(request: object, body: Buffer | HttpException): void {
  (request as SyncState)[BODY] = body;
}

/** @throws HttpException when the body could not be taken: not before it is known that somebody may send one */
export function bodyOf(request: object): Buffer {
  const { [BODY]: body = Buffer.alloc(0) } = request as SyncState;
  if (body instanceof Buffer) return body;
  throw body;
}

/**
 * Leaves a caller where sync looks, and where hosts do (`request.user`), unless somebody is there already: a guard that
 * comes after another one may refuse its caller, and not make another of him.
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

/** The canonical user id; empty when nobody is known. */
export function userOf(request: object): string {
  return (request as SyncState)[USER] ?? '';
}
