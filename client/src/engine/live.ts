import { HttpError, type Http } from '../wire/http.js';
import type { Replica } from './replica.js';

/** A stream that is silent for this long is dead: the server sends a heartbeat every 20 s. */
const SILENCE = 45_000;
/** A stream that ends sooner counts as short: a proxy ends it, or holds it back. */
const SHORT = 10_000;
const SHORT_STREAMS = 3;
const LONG_POLL_SECONDS = 25;
/** Until the next try where the server has no live channel, or a proxy lets nothing through. */
const OFF_PAUSE = 300_000;

export interface LiveListener {
  /** Called when there is something to pull. */
  readonly onNews: () => void;
  readonly onLive: (isLive: boolean) => void;
}

/** Announces that there is something to pull: by a stream, or by long polls where streams don't live. */
export class Live {
  private shortStreams = 0;
  private failedPolls = 0;

  constructor(
    private readonly http: Http,
    private readonly replica: Replica,
    private readonly listener: LiveListener,
  ) {}

  /**
   * Connects, and resolves when the connection has ended.
   * @returns milliseconds until the next one
   */
  async connect(): Promise<number> {
    try {
      return this.shortStreams < SHORT_STREAMS ? await this.stream() : await this.longPoll();
    } catch (error) {
      if (error instanceof HttpError && error.status === 404) return OFF_PAUSE;
      throw error;
    } finally {
      if (this.shortStreams < SHORT_STREAMS || this.failedPolls > 0) this.listener.onLive(false);
    }
  }

  private async stream(): Promise<number> {
    const began = performance.now();
    const silence = new AbortController();
    const die = (): void => silence.abort(new Error('the live stream is silent'));
    let timer = setTimeout(die, SILENCE);
    let retry: number | null = null;
    let isOpen = false;
    try {
      const headers = { accept: 'text/event-stream' };
      const response = await this.http.open(this.route(''), headers, silence.signal);
      isOpen = true;
      for await (const message of messagesOf(response)) {
        clearTimeout(timer);
        timer = setTimeout(die, SILENCE);
        if (message) retry = this.hear(message) ?? retry;
      }
    } catch (error) {
      // A refusal, or no network at all; the code below counts a stream that breaks off.
      if (error instanceof HttpError || !silence.signal.aborted) throw error;
    } finally {
      clearTimeout(timer);
      // A stream that never opened says nothing of proxies.
      const isShort = isOpen && retry === null && performance.now() - began < SHORT;
      this.shortStreams = isShort ? this.shortStreams + 1 : 0;
    }
    return retry ?? 0;
  }

  private async longPoll(): Promise<number> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), SILENCE);
    try {
      const response = await this.http.open(this.route(`&wait=${LONG_POLL_SECONDS}`), {}, silence.signal);
      await response.text();
      this.failedPolls = 0;
      this.listener.onLive(true);
      if (response.status === 200) this.listener.onNews();
      return 0;
    } catch (error) {
      this.failedPolls += 1;
      if (this.failedPolls < SHORT_STREAMS) throw error;
      // Pulls go on by their interval; the next try is a stream again.
      this.shortStreams = 0;
      this.failedPolls = 0;
      return OFF_PAUSE;
    } finally {
      clearTimeout(timer);
    }
  }

  private route(query: string): string {
    const { clientId, checkpoint } = this.replica.meta;
    return `live?client_id=${encodeURIComponent(clientId)}&since=${checkpoint}${query}`;
  }

  /** @returns the pause that the server asks for before it ends the stream */
  private hear({ event, data }: Message): number | null {
    const { checkpoint, schema_hash: hash, retry_ms: retry } = JSON.parse(data) as Partial<MessageData>;
    const isNewSchema = hash !== undefined && hash !== this.replica.schema?.schema_hash;
    if (event === 'hello') this.listener.onLive(true);
    if (isNewSchema || (event === 'poke' && (checkpoint ?? 0) > this.replica.meta.checkpoint)) {
      this.listener.onNews();
    }
    return event === 'bye' ? (retry ?? 0) : null;
  }
}

interface Message {
  readonly event: string;
  readonly data: string;
}

interface MessageData {
  readonly checkpoint: number;
  readonly schema_hash: string;
  readonly retry_ms: number;
}

/** The messages of a stream; null for a heartbeat, and for the rest of a message that has not come whole yet. */
async function* messagesOf(response: Response): AsyncGenerator<Message | null> {
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
    throw new Error('live answered no stream of events');
  }
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (let chunk = await reader?.read(); chunk && !chunk.done; chunk = await reader?.read()) {
    text += decoder.decode(chunk.value, { stream: true });
    const parts = text.split('\n\n');
    text = parts.pop() ?? '';
    yield null;
    for (const part of parts) {
      const message = parse(part);
      if (message) yield message;
    }
  }
}

function parse(part: string): Message | null {
  const fields = new Map(
    part
      .split('\n')
      .filter((line) => !line.startsWith(':') && line.includes(':'))
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const [event, data] = [fields.get('event'), fields.get('data')];
  return event === undefined || data === undefined ? null : { event, data };
}
