import { Injectable, UnauthorizedException } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { IdentifiedRequest } from './identified-request.js';

/** For development only: believes whatever user the `X-User-ID` header names. */
@Injectable()
export class UserIdHeaderGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<IdentifiedRequest>();
    const id = request.headers['x-user-id'];
    if (typeof id !== 'string' || id === '') throw new UnauthorizedException('missing X-User-ID header');
    request.user = { id };
    return true;
  }
}
