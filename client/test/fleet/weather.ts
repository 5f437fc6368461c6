import { pause } from '../../../test/support/wait.js';
import type { Diary } from './diary.js';
import type { Fate } from './fate.js';

/** What becomes of a request. `lost`: the server answers, but the answer does not arrive. */
export type Fault = 'offline' | 'lost' | 'busy' | 'login' | 'slow';

/** The network of one device, and its login: what goes wrong with the requests to come. */
export class Weather {
  /** Of the next requests, one after the other. */
  private faults: (Fault | undefined)[] = [];
  /** What the server takes now, and what the app has. */
  private valid = 0;
  private known = 0;
  /** How often the app gets no new token. */
  private refusals = 0;

  /** @param skew milliseconds by which the device's clock is wrong */
  constructor(private readonly skew: number) {}

  add(fault: Fault, requests: number, after = 0): void {
    this.faults = [
      ...Array.from<undefined>({ length: after }),
      ...Array.from<Fault>({ length: requests }).fill(fault),
    ];
  }

  /** @param refusals how often the app asks in vain for another token */
  expire(refusals: number): void {
    this.valid += 1;
    this.refusals = refusals;
  }

  clear(): void {
    this.faults = [];
    this.refusals = 0;
  }

  readonly token = async ({ refused }: { readonly refused: boolean }): Promise<string> => {
    if (refused && this.refusals > 0) {
      this.refusals -= 1;
      if (this.refusals % 2 === 1) throw new TypeError('the login server can’t be reached');
    } else if (refused) {
      this.known = this.valid;
    }
    return String(this.known);
  };

  /** What becomes of a request. @param token of its header */
  next(url: string, token: string | null | undefined): Fault | 'expired' | undefined {
    if (token !== `Bearer ${this.valid}`) return 'expired';
    return url.includes('/live?') ? undefined : this.faults.shift();
  }

  /** The network as one process has it. */
  fetchOf(fate: Fate, diary: Diary): typeof fetch {
    return async (input, init) => {
      await fate.awake();
      const url = input as string;
      const fault = this.next(url, new Headers(init?.headers).get('authorization'));
      if (fault === 'offline') throw new TypeError('fetch failed');
      if (fault === 'expired' || fault === 'busy' || fault === 'login')
        return new Response(...ANSWERS[fault]);
      if (url.includes('/live?')) return fetch(url, init);
      const sent = { ...init, ...this.skewed(init?.body) };
      const response = await fetch(url, sent);
      const text = await response.text();
      diary.noteRequest(url, sent.body, fault === 'lost' ? `lost: ${text}` : text);
      if (fault === 'slow') await pause(SLOWNESS);
      await fate.awake();
      if (fault === 'lost') throw new TypeError('connection reset');
      return new Response(response.status === 204 ? null : text, response);
    };
  }

  private skewed(body: unknown): { body?: string } {
    if (this.skew === 0 || typeof body !== 'string') return {};
    const { changes, ...rest } = JSON.parse(body) as { changes?: { client_updated_at: string }[] };
    if (!changes) return {};
    const moved = changes.map((change) => ({
      ...change,
      client_updated_at: new Date(Date.parse(change.client_updated_at) + this.skew).toISOString(),
    }));
    return { body: JSON.stringify({ ...rest, changes: moved }) };
  }
}

/** What a server, a balancer or a hotel's network answers. */
export const ANSWERS: Readonly<
  Record<
    'expired' | 'busy' | 'login',
    [body: string, init: { status: number; headers: Record<string, string> }]
  >
> = {
  expired: ['{"error":"the token has expired"}', { status: 401, headers: {} }],
  busy: ['{"error":"come back later"}', { status: 503, headers: { 'retry-after': '1' } }],
  login: ['<html>Welcome to the hotel</html>', { status: 200, headers: { 'content-type': 'text/html' } }],
};

/** Milliseconds by which an answer is late. */
export const SLOWNESS = 150;
