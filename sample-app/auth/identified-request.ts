import type { ExecutionContext } from '@nestjs/common';

/** A request that one of the guards let through. */
export interface IdentifiedRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  user?: { readonly id: string };
}

/** What `SynchroModule` asks for: the user whom the guard put on the request. */
export function userIdOf(context: ExecutionContext): string | undefined {
  return context.switchToHttp().getRequest<IdentifiedRequest>().user?.id;
}
