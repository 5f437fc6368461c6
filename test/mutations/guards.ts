import type { Mutation } from './mutation.js';

const JWT = 'test/http/guards/guards-jwt.test.ts';
const IDENTITY = 'test/http/guards/guards-identity.test.ts';
const START = 'test/http/guards/guards-start.test.ts';

/** Who is let in, and as whom. */
export const GUARDS: readonly Mutation[] = [
  {
    name: 'tokens-without-an-end-are-taken',
    file: 'lib/http/guards/token-verifier.ts',
    find: "requireExpiry === false ? [] : ['exp']",
    replace: "requireExpiry === true ? ['exp'] : []",
    tests: [{ file: JWT, name: 'must have an end, unless configured otherwise' }],
    why: 'W-HTTP-5: a token that leaked once would be good for ever.',
  },
  {
    name: 'tokens-of-any-issuer-are-taken',
    file: 'lib/http/guards/token-verifier.ts',
    find: '...(options.issuer && { issuer: options.issuer }),\n',
    replace: '',
    tests: [{ file: JWT, name: 'must be of the issuer and for the audience' }],
    why: 'W-HTTP-5: whoever shares the key with another service would let its users in.',
  },
  {
    name: 'tokens-for-any-audience-are-taken',
    file: 'lib/http/guards/token-verifier.ts',
    find: '...(options.audience && { audience: options.audience }),\n',
    replace: '',
    tests: [{ file: JWT, name: 'must be of the issuer and for the audience' }],
    why: 'W-HTTP-5: a token for another service would open this one.',
  },
  {
    name: 'algorithms-are-the-tokens-choice',
    file: 'lib/http/guards/token-verifier.ts',
    find: '      algorithms,\n      clockTolerance,',
    replace: '      clockTolerance,',
    tests: [{ file: JWT, name: 'an algorithm that the mode does not have' }],
    why: 'W-HTTP-5: the token would choose how it is checked.',
  },
  {
    name: 'keys-that-can-not-be-fetched-refuse-tokens',
    file: 'lib/http/guards/token-verifier.ts',
    find: '      if (error instanceof ServiceUnavailableException) throw error;\n',
    replace: '',
    tests: [{ file: JWT, name: 'answers 503 with Retry-After while the keys cannot be fetched' }],
    why: 'A key server that is down would sign everybody out.',
  },
  {
    name: 'header-is-believed-in-production',
    file: 'lib/http/guards/user-id-header.guard.ts',
    find: 'if (isDevelopment && !isProduction) return;',
    replace: 'if (isDevelopment || isProduction) return;',
    tests: [{ file: IDENTITY, name: 'keeps an app from starting in production' }],
    why: 'W-HTTP-5: whoever sends a header would be anybody.',
  },
  {
    name: 'header-is-believed-unless-in-production',
    file: 'lib/http/guards/user-id-header.guard.ts',
    find: 'development === undefined ? DEVELOPMENT.has(environment) : development === true',
    replace: 'development === undefined || development === true',
    tests: [{ file: START, name: 'does not start with NODE_ENV' }],
    why: 'W-LOAD-13: a server whose NODE_ENV nobody has set would let anybody be anybody.',
  },
  {
    name: 'text-false-allows-production',
    file: 'lib/http/guards/user-id-header.guard.ts',
    find: 'if (allowInProduction === true) return;',
    replace: 'if (allowInProduction) return;',
    tests: [{ file: START, name: 'does not start with NODE_ENV' }],
    why: 'W-LOAD-13: a variable that says false would say true.',
  },
  {
    name: 'nobody-is-a-user',
    file: 'lib/http/user.interceptor.ts',
    find: "return answer === '' ? null : answer;",
    replace: 'return answer;',
    tests: [{ file: IDENTITY, name: 'is nobody' }],
    why: 'All who have no name would share one user’s rows.',
  },
  {
    name: 'later-guards-make-another-user-of-a-caller',
    file: 'lib/http/sync-request.ts',
    find: '(request as SyncState)[IDENTITY] ??= user.id;',
    replace: '(request as SyncState)[IDENTITY] = user.id;',
    tests: [{ file: IDENTITY, name: 'the first guard of the library that identifies the caller stands' }],
    why: 'A header behind a token would say who the token is for.',
  },
  {
    name: 'users-of-the-host-are-not-asked-for',
    file: 'lib/http/user.interceptor.ts',
    find: 'ownRule ? await ownRule(context) : identityOf(request)',
    replace: 'identityOf(request) ?? (await ownRule?.(context))',
    tests: [{ file: JWT, name: 'a userId option of the host wins' }],
    why: 'The host may map accounts to users; sync would take another id than the rows have.',
  },
];
