import type { Store } from './store/store.js';

export interface SyncOptions {
  /** The URL of the sync routes, e.g. `https://api.example.com/sync`. */
  readonly url: string;
  /** The user whose data this is. Each user has a store of their own; the server decides by the token. */
  readonly user: string;
  /**
   * The bearer token of a request. `refused` is true when the server has just refused the last one. Default: none, for
   * servers that read cookies or `headers`.
   */
  readonly token?: (request: { readonly refused: boolean }) => string | Promise<string>;
  /** More headers of each request. Default: none. */
  readonly headers?: () => Readonly<Record<string, string>>;
  /** Default: `memoryStore()`. */
  readonly store?: Store;
  /** Sent as `X-App-Version`, for the server's `minClientVersion`. Default: none. */
  readonly appVersion?: string;
  /** The name under which the server records this device. Default: `web`. */
  readonly platform?: string;
  /** Default: the global `fetch`. */
  readonly fetch?: typeof fetch;
}
