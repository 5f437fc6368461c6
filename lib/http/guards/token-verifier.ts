import { ServiceUnavailableException, UnauthorizedException } from '@nestjs/common';
import {
  createRemoteJWKSet,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
} from 'jose';
import type { SyncLogger } from '../../common/sync-logger.js';
import { checkTokenOptions, invalid, keyUrl, type TokenOptions } from './token-options.js';

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
    const { clockTolerance = 0, requireExpiry } = options;
    checkTokenOptions(options);
    const { key, algorithms } = this.keyOf(options);
    this.key = key;
    this.options = {
      algorithms,
      clockTolerance,
      ...(options.issuer && { issuer: options.issuer }),
      ...(options.audience && { audience: options.audience }),
      // A null, as of a missing variable, does not say false.
      requiredClaims: requireExpiry === false ? [] : ['exp'],
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
      key: this.remoteKeys(createRemoteJWKSet(keyUrl(jwksUrl), jwks)),
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

/** The contract's text (docs/protocol.md#errors). */
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

function textOf(error: unknown): string {
  const { message, cause } = error as Partial<Error>;
  return cause instanceof Error ? `${message} (${cause.message})` : String(message);
}
