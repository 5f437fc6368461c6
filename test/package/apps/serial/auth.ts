import { Injectable, Module } from '@nestjs/common';
import { PassportModule, PassportStrategy } from '@nestjs/passport';
import { ExtractJwt, Strategy } from 'passport-jwt';

interface Payload {
  /** A serial key: a number. */
  readonly id: number;
}

@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor() {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKey: process.env['JWT_SECRET'] ?? '',
    });
  }

  /** What it answers is the request's `user`. */
  validate(payload: Payload): Payload {
    return payload;
  }
}

@Module({ imports: [PassportModule], providers: [JwtStrategy] })
export class AuthModule {}
