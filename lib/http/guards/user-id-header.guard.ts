import { UnauthorizedException, type CanActivate, type ExecutionContext, type Type } from '@nestjs/common';
import { SynchroError } from '../../common/errors.js';
import type { SyncLogger } from '../../common/sync-logger.js';
import { identify, type HttpRequest } from '../sync-request.js';
import { configuredGuard, type Configured } from './configured-guard.js';

export interface UserIdHeaderGuardOptions {
  /** The header with the user's id. Default: `X-User-ID`. */
  readonly header?: string;
  /**
   * This is a development set-up. Default: whether `NODE_ENV` is `development` or `test`; without either the app doesn't
   * start.
   */
  readonly development?: boolean;
  /** Lets the app start with `NODE_ENV=production`, e.g. behind a gateway that sets the header itself. Default: false. */
  readonly allowInProduction?: boolean;
}

/**
 * A guard class for development that takes the user from a header; without one it answers 401. It gives sync the
 * user, and sets `request.user` to `{ id }`, unless an earlier guard has set it. It warns when the app starts.
 * @throws SynchroError `configuration_invalid` at start in production, and where no variable says that this is
 *   development
 */
export function UserIdHeaderGuard(options: Configured<UserIdHeaderGuardOptions> = {}): Type<CanActivate> {
  return configuredGuard(
    'UserIdHeaderGuard',
    options,
    (resolved, logger) => new HeaderIdentity(resolved, logger),
  );
}

class HeaderIdentity implements CanActivate {
  private readonly header: string;

  constructor(options: UserIdHeaderGuardOptions, logger: SyncLogger) {
    const { header = 'X-User-ID' } = options;
    checkEnvironment(header, options);
    logger.warn(
      `UserIdHeaderGuard: whoever sends the header ${header} is the user that it names (for development only)`,
    );
    this.header = header.toLowerCase();
  }

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<HttpRequest>();
    const id = request.headers[this.header];
    if (typeof id !== 'string' || id === '') throw new UnauthorizedException('missing user identity');
    identify(request, { id });
    return true;
  }
}

const DEVELOPMENT: ReadonlySet<string | undefined> = new Set(['development', 'test']);

/** A value from a variable may have another type: the text 'false' is not true. */
type FromEnvironment<Options> = { readonly [Name in keyof Options]: unknown };

function checkEnvironment(
  header: string,
  { allowInProduction, development }: FromEnvironment<UserIdHeaderGuardOptions>,
): void {
  if (allowInProduction === true) return;
  const environment = process.env['NODE_ENV'];
  const isProduction = environment === 'production';
  const isDevelopment = development === undefined ? DEVELOPMENT.has(environment) : development === true;
  if (isDevelopment && !isProduction) return;
  throw new SynchroError(
    'configuration_invalid',
    `UserIdHeaderGuard would let anybody be anybody ${isProduction ? 'in production (NODE_ENV)' : 'where nobody says that this is development'}, by the header ${header}`,
    `use JwtGuard or a guard of your own; ${isProduction ? '' : 'development: true, or NODE_ENV=development, to try things out; '}allowInProduction: true where a gateway sets the header`,
  );
}
