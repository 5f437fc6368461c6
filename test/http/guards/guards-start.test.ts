import { afterEach, describe, expect, it, vi } from 'vitest';
import { SyncLogger } from '../../../lib/common/sync-logger.js';
import { TokenVerifier } from '../../../lib/http/guards/token-verifier.js';
import type { TokenOptions } from '../../../lib/http/guards/token-options.js';
import {
  UserIdHeaderGuard,
  type UserIdHeaderGuardOptions,
} from '../../../lib/http/guards/user-id-header.guard.js';

const SECRET = 'a secret of at least thirty-two bytes';
const logger = new SyncLogger({ log: () => {}, error: () => {}, warn: () => {} }, 'Test');

/** What is left of a type when the value comes from the environment. */
type FromEnvironment<Options> = { readonly [Name in keyof Options]: unknown };

describe('JwtGuard does not start [W-LOAD-12]', () => {
  it.each<[string, FromEnvironment<TokenOptions>, RegExp]>([
    ['with a secret of one byte', { secret: 'x' }, /secret has 1 bytes.*needs 32/],
    ['with a secret of 31 bytes', { secret: 'x'.repeat(31) }, /secret has 31 bytes/],
    ['with a secret of white space', { secret: ' '.repeat(64) }, /secret has 0 bytes/],
    ['with a short secret in white space', { secret: `${' '.repeat(40)}abc\n` }, /secret has 3 bytes/],
    ['with short bytes', { secret: new Uint8Array(16).fill(65) }, /secret has 16 bytes/],
    // As text of another encoding they would be 32.
    ['with 16 bytes above 127', { secret: new Uint8Array(16).fill(0xff) }, /secret has 16 bytes/],
    [
      'with short bytes in white space',
      { secret: Buffer.from(`${' '.repeat(40)}é\n`) },
      /secret has 2 bytes/,
    ],
    ['with a list of secrets', { secret: ['x'.repeat(40)] }, /secret has 0 bytes/],
    [
      'with an empty issuer of a class of settings',
      Object.create({ secret: SECRET, issuer: '' }) as TokenOptions,
      /issuer is given, but empty/,
    ],
    ['without a secret', { secret: undefined }, /neither secret nor jwksUrl/],
    ['with an empty issuer', { secret: SECRET, issuer: '' }, /issuer is given, but empty/],
    [
      'with an issuer from a missing variable',
      { secret: SECRET, issuer: undefined },
      /issuer is given, but empty/,
    ],
    ['with an issuer of white space', { secret: SECRET, issuer: ' ' }, /issuer is given, but empty/],
    ['with no issuer of several', { secret: SECRET, issuer: [] }, /issuer is given, but empty/],
    [
      'with an empty one of several',
      { secret: SECRET, issuer: ['https://a', ''] },
      /issuer is given, but empty/,
    ],
    ['with an empty audience', { secret: SECRET, audience: '' }, /audience is given, but empty/],
    [
      'with an audience from a missing variable',
      { secret: SECRET, audience: undefined },
      /audience is given/,
    ],
    ['with keys over http', { jwksUrl: 'http://login.example.com/keys' }, /http: without encryption/],
    [
      'with keys over http from a name like localhost',
      { jwksUrl: 'http://localhost.example.com/' },
      /encryption/,
    ],
    [
      'with keys over http from an address like localhost',
      { jwksUrl: 'http://127.0.0.1.example.com/' },
      /encryption/,
    ],
    ['with a file of keys', { jwksUrl: 'file:///etc/keys' }, /not an http\(s\) URL/],
  ])('%s', (_, options, message) => {
    expect(() => new TokenVerifier(options as TokenOptions, logger)).toThrow(message);
  });

  it('nor shows the password of an address', () => {
    const options = { jwksUrl: 'http://me:hunter2@login.example.com/keys' };
    expect(() => new TokenVerifier(options, logger)).toThrow(/^(?!.*hunter2).*me:\*\*\*@login/s);
  });

  it.each<[string, TokenOptions]>([
    ['a secret of 32 bytes', { secret: 'x'.repeat(32) }],
    ['32 bytes of any kind', { secret: new Uint8Array(32).fill(0xff) }],
    ['several issuers', { secret: SECRET, issuer: ['https://a', 'https://b'], audience: 'sync' }],
    ['keys over https', { jwksUrl: 'https://login.example.com/keys' }],
    ['keys on localhost', { jwksUrl: 'http://localhost:8080/keys' }],
    ['keys on an address of localhost', { jwksUrl: 'http://[::1]:8080/keys' }],
  ])('but with %s', (_, options) => {
    expect(new TokenVerifier(options, logger)).toBeInstanceOf(TokenVerifier);
  });
});

function start(options: UserIdHeaderGuardOptions): object {
  const Guard = UserIdHeaderGuard(options) as new (sync: object) => object;
  return new Guard({ logger: { log: () => {}, error: () => {}, warn: () => {} } });
}

describe('UserIdHeaderGuard [W-LOAD-13]', () => {
  afterEach(() => vi.unstubAllEnvs());

  it.each<[string | undefined, UserIdHeaderGuardOptions]>([
    [undefined, {}],
    ['', {}],
    ['staging', {}],
    ['Production', {}],
    [' development', {}],
    ['DEVELOPMENT', {}],
    [undefined, { development: 'false' as unknown as boolean }],
    ['production', { allowInProduction: 'false' as unknown as boolean }],
    ['test', { development: false }],
    ['production', { development: true }],
  ])('does not start with NODE_ENV %j and %j', (environment, options) => {
    vi.stubEnv('NODE_ENV', environment);
    expect(() => start(options)).toThrow(/anybody be anybody/);
  });

  it.each<[string | undefined, UserIdHeaderGuardOptions]>([
    [undefined, { development: true }],
    ['development', {}],
    ['test', {}],
    ['production', { allowInProduction: true }],
    ['staging', { allowInProduction: true }],
  ])('starts with NODE_ENV %j and %j', (environment, options) => {
    vi.stubEnv('NODE_ENV', environment);
    expect(start(options)).toBeDefined();
  });
});
