import { Module } from '@nestjs/common';
import type { CanActivate, DynamicModule, Type } from '@nestjs/common';
import { JWT_SECRET, JwtGuard } from './jwt.guard.js';
import { UserIdHeaderGuard } from './user-id-header.guard.js';

@Module({})
export class AuthModule {
  /** Tokens when there is a secret to check them with, else the development header. */
  static forRoot(jwtSecret: string | undefined): DynamicModule {
    return {
      module: AuthModule,
      providers:
        jwtSecret === undefined
          ? [UserIdHeaderGuard]
          : [JwtGuard, { provide: JWT_SECRET, useValue: jwtSecret }],
      exports: jwtSecret === undefined ? [UserIdHeaderGuard] : [JwtGuard, JWT_SECRET],
    };
  }
}

/** The guard that goes with {@link AuthModule.forRoot}. */
export function authGuard(jwtSecret: string | undefined): Type<CanActivate> {
  return jwtSecret === undefined ? UserIdHeaderGuard : JwtGuard;
}
