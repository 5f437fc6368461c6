import { Inject, Injectable, UnauthorizedException } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { jwtVerify } from 'jose';
import type { IdentifiedRequest } from './identified-request.js';

export const JWT_SECRET = Symbol('JWT_SECRET');

/** The user is the `sub` of a bearer token signed with HS256; an `exp` in it is respected. */
@Injectable()
export class JwtGuard implements CanActivate {
  private readonly key: Uint8Array;

  constructor(@Inject(JWT_SECRET) secret: string) {
    this.key = new TextEncoder().encode(secret);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<IdentifiedRequest>();
    const [, token] = /^Bearer (\S+)$/i.exec(String(request.headers['authorization'] ?? '')) ?? [];
    if (token === undefined) throw new UnauthorizedException('missing or malformed authorization header');
    request.user = { id: await this.subjectOf(token) };
    return true;
  }

  private async subjectOf(token: string): Promise<string> {
    const { payload } = await jwtVerify(token, this.key, { algorithms: ['HS256'] }).catch(() => {
      throw new UnauthorizedException('invalid token');
    });
    if (typeof payload.sub !== 'string' || payload.sub === '') {
      throw new UnauthorizedException('token missing user claim');
    }
    return payload.sub;
  }
}
