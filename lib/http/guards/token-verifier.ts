import { ServiceUnavailableException, UnauthorizedException } from '@nestjs/common';
import {
  createRemoteJWKSet,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  type RemoteJWKSetOptions,
} from 'jose';
import { SynchroError } from '../../common/errors.js';
import type { SyncLogger } from '../../common/sync-logger.js';

/** Which tokens are believed. Exactly one of `secret` and `jwksUrl`; an empty one counts as none. */
export interface TokenOptions {
  /** Shared secret of HS256, HS384 and HS512; text is taken as UTF-8. */
  readonly secret?: string | Uint8Array | undefined;
  /** Where the public keys are (RS, PS and ES with 256, 384 and 512; EdDSA). Fetched when the first token comes. */
  readonly jwksUrl?: string | URL | undefined;
  /**
   * How keys are fetched and kept, in milliseconds. Default: time limit 5000; kept for 10 min; an unknown key is asked
   * for again 30 s after the last fetch at the soonest.
   */
  readonly jwks?: Pick<
    RemoteJWKSetOptions,
    'timeoutDuration' | 'cacheMaxAge' | 'cooldownDuration' | 'headers'
  >;
  /** The `iss` that is believed, or several. Default: any. */
  readonly issuer?: string | string[] | undefined;
  /** The `aud`, of which a token must name one. Default: any. */
  readonly audience?: string | string[] | undefined;
  /** Seconds by which the issuer's clock may differ from this one, for `exp` and `nbf`. Default: 0. */
  readonly clockTolerance?: number;
  /** Refuses tokens that never expire (hazard W-HTTP-5). Default: true. */
  readonly requireExpiry?: boolean;
}

const SECRET_ALGORITHMS = ['HS256', 'HS384', 'HS512'];
const PUBLIC_KEY_ALGORITHMS = [
  ...['RS', 'PS', 'ES'].flatMap((family) => ['256', '384', '512'].map((bits) => family + bits)),
  'EdDSA',
  'Ed25519',
];

/** Checks signature, time, issuer and audience of tokens, by `jose`. */
export class TokenVerifier {
  private readonly key: Uint8Array | JWTVerifyGetKey;
  private readonly options: JWTVerifyOptions;
  private keysFailing = false;

  /** @throws SynchroError `configuration_invalid` */
  constructor(
    options: TokenOptions,
    private readonly logger: SyncLogger,
  ) {
    const { clockTolerance = 0, requireExpiry = true } = options;
    const { key, algorithms } = this.keyOf(options);
    if (!Number.isFinite(clockTolerance) || clockTolerance < 0) {
      throw invalid('clockTolerance is not a number of seconds');
    }
    this.key = key;
    this.options = {
      algorithms,
      clockTolerance,
      ...(options.issuer && { issuer: options.issuer }),
      ...(options.audience && { audience: options.audience }),
      requiredClaims: requireExpiry ? ['exp'] : [],
    };
  }

  /** @throws UnauthorizedException, or ServiceUnavailableException when the keys can't be fetched */
  async verify(token: string): Promise<JWTPayload> {
    try {
      return await this.payloadOf(token);
    } catch (error) {
      if (error instanceof ServiceUnavailableException) throw error;
      throw new UnauthorizedException(refusal(error), { cause: error });
    }
  }

  private async payloadOf(token: string): Promise<JWTPayload> {
    try {
      return (await jwtVerify(token, this.key, this.options)).payload;
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      // A token without `kid`, and several keys of its kind: one of them has to fit.
      for await (const key of error) {
        const fitting = await jwtVerify(token, key, this.options).catch(nullIfOtherKey);
        if (fitting) return fitting.payload;
      }
      throw error;
    }
  }

  private keyOf({ secret, jwksUrl, jwks }: TokenOptions): {
    key: Uint8Array | JWTVerifyGetKey;
    algorithms: string[];
  } {
    const bytes = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret;
    const hasSecret = bytes !== undefined && bytes.length > 0;
    if (hasSecret === Boolean(jwksUrl)) {
      throw invalid(`${hasSecret ? 'both' : 'neither'} secret ${hasSecret ? 'and' : 'nor'} jwksUrl given`);
    }
    if (hasSecret) return { key: bytes, algorithms: SECRET_ALGORITHMS };
    return {
      key: this.remoteKeys(createRemoteJWKSet(urlOf(jwksUrl), jwks)),
      algorithms: PUBLIC_KEY_ALGORITHMS,
    };
  }

  /** A key that the set doesn't have is the token's fault; a set that can't be read is not. */
  private remoteKeys(keys: JWTVerifyGetKey): JWTVerifyGetKey {
    return async (header, token) => {
      try {
        const key = await keys(header, token);
        this.keysFailing = false;
        return key;
      } catch (error) {
        if (isOfToken(error)) throw error;
        if (!this.keysFailing)
          this.logger.error("the JSON Web Key Set can't be read", { error: textOf(error) });
        this.keysFailing = true;
        throw new ServiceUnavailableException('service temporarily unavailable', { cause: error });
      }
    };
  }
}

/** The contract's text (wire-protocol §1). */
function refusal(error: unknown): string {
  const isClaims =
    error instanceof errors.JWTInvalid ||
    (error instanceof errors.JWTClaimValidationFailed && error.claim !== 'nbf');
  return isClaims ? 'invalid token claims' : 'invalid token';
}

function isOfToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}

function nullIfOtherKey(error: unknown): null {
  if (error instanceof errors.JWSSignatureVerificationFailed) return null;
  throw error;
}

function urlOf(value: string | URL | undefined): URL {
  if (/^https?:/i.test(String(value)) && URL.canParse(String(value))) return new URL(String(value));
  throw invalid(`jwksUrl is not an http(s) URL: ${String(value)}`);
}

function textOf(error: unknown): string {
  const { message, cause } = error as Partial<Error>;
  return cause instanceof Error ? `${message} (${cause.message})` : String(message);
}

function invalid(what: string): SynchroError {
  return new SynchroError(
    'configuration_invalid',
    `JwtGuard: ${what}`,
    'JwtGuard({ secret: … }) for HS256/384/512, or JwtGuard({ jwksUrl: … }) for public keys',
  );
}
