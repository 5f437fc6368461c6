import type { RemoteJWKSetOptions } from 'jose';
import { SynchroError } from '../../common/errors.js';
import { withoutPasswords } from '../../common/printable.js';

/** Which tokens are believed. Exactly one of `secret` and `jwksUrl`; an empty one counts as none. */
export interface TokenOptions {
  /** Shared secret of HS256, HS384 and HS512, of 32 bytes at least (RFC 7518 §3.2); text is taken as UTF-8. */
  readonly secret?: string | Uint8Array | undefined;
  /**
   * URL of the public keys (RS, PS and ES with 256, 384 and 512; EdDSA). Fetched when the first token comes. `http:`
   * is for localhost alone: a false key server could let anybody be any user.
   */
  readonly jwksUrl?: string | URL | undefined;
  /**
   * How keys are fetched and kept, in milliseconds. Default: time limit 5000; kept for 10 min; an unknown key makes
   * it fetch again 30 s after the last fetch at the soonest.
   */
  readonly jwks?: Pick<
    RemoteJWKSetOptions,
    'timeoutDuration' | 'cacheMaxAge' | 'cooldownDuration' | 'headers'
  >;
  /** The `iss` that is believed, or several. Left out: any; an empty one, as of a missing variable, stops the start. */
  readonly issuer?: string | string[];
  /** The `aud` values; a token must name one of them. Left out: any; an empty one stops the start. */
  readonly audience?: string | string[];
  /** Seconds by which the issuer's clock may differ from this one, for `exp` and `nbf`. Default: 0. */
  readonly clockTolerance?: number;
  /** Refuses tokens that never expire (hazard W-HTTP-5). Default: true. */
  readonly requireExpiry?: boolean;
}

/** RFC 7518 §3.2: a key of the same size as the hash output, or larger. */
const MIN_SECRET_BYTES = 32;

/**
 * Refuses what a missing or mistyped environment variable would make of the guard: one that believes anybody.
 * @throws SynchroError `configuration_invalid`
 */
export function checkTokenOptions(options: TokenOptions): void {
  const { secret, clockTolerance = 0 } = options;
  const bytes = secretBytes(secret);
  if (bytes !== null && bytes < MIN_SECRET_BYTES) {
    throw invalid(`the secret has ${bytes} bytes without the space around it; it needs ${MIN_SECRET_BYTES}`);
  }
  for (const name of ['issuer', 'audience', 'userClaim'] as const) checkNames(name, options);
  if (!Number.isFinite(clockTolerance) || clockTolerance < 0) {
    throw invalid('clockTolerance is not a number of seconds');
  }
}

/** Without the white space around them; null for a secret that counts as none. */
function secretBytes(secret: unknown): number | null {
  if (secret === undefined || secret === null || secret === '') return null;
  if (typeof secret === 'string') return Buffer.byteLength(secret.trim());
  if (!(secret instanceof Uint8Array)) return 0;
  if (secret.length === 0) return null;
  // Byte by byte: as text of another encoding a byte may count as several.
  const start = secret.findIndex((byte) => !isSpace(byte));
  return start === -1 ? 0 : secret.findLastIndex((byte) => !isSpace(byte)) + 1 - start;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

/**
 * An option that is given as undefined is not left out: `process.env` has that value for a variable that is not set.
 */
function checkNames(name: string, options: object): void {
  // A class of settings has getters on its prototype.
  if (!(name in options)) return;
  const value: unknown = options[name as keyof typeof options];
  const names = Array.isArray(value) ? (value as unknown[]) : [value];
  if (names.length > 0 && names.every((each) => typeof each === 'string' && each.trim() !== '')) return;
  throw new SynchroError(
    'configuration_invalid',
    `JwtGuard: ${name} is given, but empty`,
    `set the variable that it comes from, or leave ${name} out for the default`,
  );
}

/**
 * The address of a key set.
 * @throws SynchroError `configuration_invalid` for one that others could answer
 */
export function keyUrl(value: string | URL | undefined): URL {
  const text = String(value).trim();
  if (!/^https?:/i.test(text) || !URL.canParse(text)) {
    throw invalid(`jwksUrl is not an http(s) URL: ${withoutPasswords(text)}`);
  }
  const url = new URL(text);
  if (url.protocol === 'https:' || isLocal(url.hostname)) return url;
  throw invalid(`jwksUrl is http: without encryption, and not of localhost: ${withoutPasswords(text)}`);
}

function isLocal(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    LOOPBACK.test(hostname)
  );
}

const LOOPBACK = /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/;

export function invalid(what: string): SynchroError {
  return new SynchroError(
    'configuration_invalid',
    `JwtGuard: ${what}`,
    'JwtGuard({ secret: … }) for HS256/384/512, or JwtGuard({ jwksUrl: … }) for public keys',
  );
}
