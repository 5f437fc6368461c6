import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose';

/** An identity provider's key endpoint, whose keys a test changes. */
export interface KeyServer {
  readonly url: string;
  /** What it publishes. */
  readonly keys: JWK[];
  /** How often it was asked. */
  readonly asked: () => number;
  /** What it answers from now on: with its keys, or with a failure. */
  answer(how: 'keys' | 'error' | 'nonsense'): void;
  close(): Promise<void>;
}

export async function startKeyServer(): Promise<KeyServer> {
  const keys: JWK[] = [];
  let mode = 'keys';
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    response.statusCode = mode === 'error' ? 500 : 200;
    response.end(mode === 'nonsense' ? 'no JSON' : JSON.stringify({ keys }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/jwks.json`,
    keys,
    asked: () => asked,
    answer: (how) => {
      mode = how;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export interface SigningKey {
  readonly algorithm: string;
  readonly privateKey: CryptoKey;
  /** The public part, as published. */
  readonly jwk: JWK;
}

/** @param kid left out: the key and its tokens have none */
export async function signingKey(algorithm: string, kid?: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), use: 'sig', ...(kid !== undefined && { kid }) };
  return { algorithm, privateKey, jwk };
}

/** A token of this user, for an hour unless the claims say otherwise. */
export function tokenOf(key: SigningKey | string, claims: JWTPayload, algorithm = 'HS256'): Promise<string> {
  const jwt = new SignJWT({ exp: Math.floor(Date.now() / 1000) + 3600, ...claims });
  if (typeof key === 'string') {
    return jwt.setProtectedHeader({ alg: algorithm }).sign(new TextEncoder().encode(key));
  }
  const { kid } = key.jwk;
  return jwt
    .setProtectedHeader({ alg: key.algorithm, ...(kid !== undefined && { kid }) })
    .sign(key.privateKey);
}
