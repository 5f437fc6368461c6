import { Body, Controller, HttpCode, Inject, Post, UsePipes, ValidationPipe } from '@nestjs/common';
import { SignJWT } from 'jose';
import { SignInRequest } from './demo.requests.js';

export const DEMO_JWT_SECRET = Symbol('DEMO_JWT_SECRET');

/** Hands out tokens of the page's users without a password. A production app does not have it. */
@Controller('demo/sign-in')
@UsePipes(new ValidationPipe())
export class SignInController {
  constructor(@Inject(DEMO_JWT_SECRET) private readonly jwtSecret: string | null) {}

  /** @returns a token for an hour; null where the app takes the user from the `X-User-ID` header */
  @Post()
  @HttpCode(200)
  async signIn(@Body() { user }: SignInRequest): Promise<{ readonly token: string | null }> {
    if (this.jwtSecret === null) return { token: null };
    const token = new SignJWT()
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(user)
      .setIssuedAt()
      .setExpirationTime('1h');
    return { token: await token.sign(new TextEncoder().encode(this.jwtSecret)) };
  }
}
