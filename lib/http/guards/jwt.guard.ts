import { UnauthorizedException, type CanActivate, type ExecutionContext, type Type } from '@nestjs/common';
import type { SyncLogger } from '../../common/sync-logger.js';
import { identify, type HttpRequest } from '../sync-request.js';
import { configuredGuard, type Configured } from './configured-guard.js';
import type { TokenOptions } from './token-options.js';
import { TokenVerifier } from './token-verifier.js';

export interface JwtGuardOptions extends TokenOptions {
  /** The claim with the user's id, a string that is not empty. Default: `sub`. */
  readonly userClaim?: string;
}

const SCHEME = 'Bearer ';

/**
 * A guard class that lets requests through that bring a valid JWT in `Authorization: Bearer …`, and gives sync their
 * user; `request.user` becomes the claims with the user's id as `id`, unless an earlier guard has set it.
 *
 * Every other request gets a 401. A key set that can't be fetched is a 503, so that devices try again; it says
 * nothing about the token.
 * @throws SynchroError `configuration_invalid` at start, naming the option
 */
export function JwtGuard(options: Configured<JwtGuardOptions>): Type<CanActivate> {
  return configuredGuard('JwtGuard', options, (resolved, logger) => new JwtIdentity(resolved, logger));
}

class JwtIdentity implements CanActivate {
  private readonly verifier: TokenVerifier;
  private readonly userClaim: string;

  constructor(options: JwtGuardOptions, logger: SyncLogger) {
    this.verifier = new TokenVerifier(options, logger);
    this.userClaim = options.userClaim ?? 'sub';
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<HttpRequest>();
    const header = request.headers['authorization'];
    if (typeof header !== 'string' || !header.startsWith(SCHEME)) {
      throw new UnauthorizedException('missing or malformed authorization header');
    }
    const claims = await this.verifier.verify(header.slice(SCHEME.length));
    const id = claims[this.userClaim];
    if (typeof id !== 'string' || id === '') throw new UnauthorizedException('token missing user claim');
    identify(request, { ...claims, id });
    return true;
  }
}
