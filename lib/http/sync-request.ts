const BODY = Symbol.for('nestjs-synchro:body');
const USER = Symbol.for('nestjs-synchro:user');

/** What the sync routes keep on a request: its raw body, and who is asking. */
interface SyncState {
  [BODY]?: Buffer;
  [USER]?: string;
}

/** The platform's request object, as far as the sync routes look at it. */
export interface HttpRequest {
  readonly method?: string;
}

export function setBody(request: object, body: Buffer): void {
  (request as SyncState)[BODY] = body;
}

export function bodyOf(request: object): Buffer {
  return (request as SyncState)[BODY] ?? Buffer.alloc(0);
}

export function setUser(request: object, userId: string): void {
  (request as SyncState)[USER] = userId;
}

/** The canonical user id; empty when nobody is known. */
export function userOf(request: object): string {
  return (request as SyncState)[USER] ?? '';
}
