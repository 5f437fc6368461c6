import { Listeners } from '../observable.js';
import { MISSED, type Tabs } from '../store/store.js';

/** The milliseconds between two heartbeats of a leader. */
const HEARTBEAT = 2_000;
/** A visible tab takes the lead from one that is silent for this long; browsers freeze hidden tabs. */
const SILENCE = 8_000;
/** A hidden tab's timers run once a minute: it waits for longer. */
const HIDDEN_SILENCE = 150_000;

const BEAT = { type: 'beat' } as const;

/** Tabs that have the same database open: messages by BroadcastChannel, one leader by Web Locks. */
export class BrowserTabs implements Tabs {
  private readonly listeners = new Listeners<[unknown]>();
  private readonly channel: BroadcastChannel;
  private lastBeat = performance.now();

  constructor(private readonly name: string) {
    this.channel = new BroadcastChannel(name);
    this.channel.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (isBeat(data)) this.lastBeat = performance.now();
      else this.listeners.call(data);
    });
    document.addEventListener('resume', this.onResume);
  }

  /** The browser has frozen this tab for a while. */
  private readonly onResume = (): void => this.listeners.call(MISSED);

  post(message: unknown): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has none
    this.channel.postMessage(message);
  }

  listen(listener: (message: unknown) => void): () => void {
    return this.listeners.add(listener);
  }

  elect(lead: (lost: AbortSignal) => Promise<void>): () => Promise<void> {
    const leaving = new AbortController();
    const run = async (): Promise<void> => {
      while (!leaving.signal.aborted) await this.candidate(lead, leaving.signal);
    };
    const done = run();
    return () => {
      leaving.abort();
      return done;
    };
  }

  close(): void {
    document.removeEventListener('resume', this.onResume);
    this.channel.close();
  }

  /** Waits for the lock, or takes it from a leader that is silent; leads until that is over. */
  private async candidate(lead: (lost: AbortSignal) => Promise<void>, leaving: AbortSignal): Promise<void> {
    const waiting = new AbortController();
    const leave = (): void => waiting.abort();
    leaving.addEventListener('abort', leave);
    this.lastBeat = performance.now();
    const watch = setInterval(() => {
      const patience = document.visibilityState === 'visible' ? SILENCE : HIDDEN_SILENCE;
      if (performance.now() - this.lastBeat > patience) waiting.abort();
    }, HEARTBEAT);
    const lost = new AbortController();
    leaving.addEventListener('abort', () => lost.abort(), { signal: lost.signal });
    let held: Promise<void> | undefined;
    const begin = (): Promise<void> => {
      clearInterval(watch);
      held = this.hold(lead, lost);
      return held;
    };
    try {
      await ignoreAbort(navigator.locks.request(this.name, { signal: waiting.signal }, begin));
      if (!waiting.signal.aborted || leaving.aborted) return;
      await ignoreAbort(navigator.locks.request(this.name, { steal: true }, begin));
    } finally {
      clearInterval(watch);
      leaving.removeEventListener('abort', leave);
      // The lock may have been taken by another tab.
      lost.abort();
      await held;
      // It was frozen then, and messages may have been lost.
      if (held && !leaving.aborted) this.listeners.call(MISSED);
    }
  }

  private async hold(lead: (lost: AbortSignal) => Promise<void>, lost: AbortController): Promise<void> {
    const beat = setInterval(() => this.post(BEAT), HEARTBEAT);
    this.post(BEAT);
    // Another tab's heartbeat means that it took the lead while this one was frozen.
    this.channel.addEventListener('message', ({ data }) => isBeat(data) && lost.abort(), {
      signal: lost.signal,
    });
    try {
      if (!lost.signal.aborted) await lead(lost.signal);
    } finally {
      clearInterval(beat);
    }
  }
}

/** A request that was given up, or whose lock was taken by another tab. */
async function ignoreAbort(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'AbortError')) throw error;
  }
}

function isBeat(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === BEAT.type;
}
