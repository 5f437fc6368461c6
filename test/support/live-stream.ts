import { Agent, get, type ClientRequest, type IncomingMessage } from 'node:http';
import type { Device } from './device.js';
import { eventually } from './wait.js';

/** One message of a stream. */
export interface LiveEvent {
  readonly event: string;
  readonly id: string | null;
  readonly data: Readonly<Record<string, unknown>>;
  /** The time of its arrival, by `performance.now()`. */
  readonly at: number;
}

export interface LiveStreamOptions {
  readonly since?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The URL of another instance. Default: the device's. */
  readonly url?: string;
  /** Default: `/sync`. */
  readonly path?: string;
}

/** Reads a device's live stream without any library, over a connection of its own. */
export class LiveStream {
  readonly events: LiveEvent[] = [];
  /** Lines that are comments. */
  comments = 0;
  isEnded = false;
  /** Called with each later message. */
  onEvent: (event: LiveEvent) => void = () => undefined;
  private text = '';

  private constructor(
    private readonly request: ClientRequest,
    readonly response: IncomingMessage,
    private readonly agent: Agent,
  ) {
    response.setEncoding('utf8');
    response.on('data', (piece: string) => this.take(piece));
    response.on('error', () => (this.isEnded = true));
    response.on('close', () => {
      this.isEnded = true;
      agent.destroy();
    });
  }

  /** Resolves with the head of the answer, whatever its status. */
  static open(device: Device, options: LiveStreamOptions = {}): Promise<LiveStream> {
    const { url = device.url, path = '/sync', since, headers } = options;
    const query = new URLSearchParams({
      client_id: device.clientId,
      ...(since !== undefined && { since: String(since) }),
    });
    const agent = new Agent({ keepAlive: false });
    return new Promise((resolve, reject) => {
      const request = get(`${url}${path}/live?${query.toString()}`, {
        agent,
        headers: { Accept: 'text/event-stream', 'X-User-ID': device.userId, ...headers },
      });
      request.once('error', reject);
      request.once('response', (response) => resolve(new LiveStream(request, response, agent)));
    });
  }

  get status(): number {
    return this.response.statusCode ?? 0;
  }

  pokes(): readonly LiveEvent[] {
    return this.events.filter(({ event }) => event === 'poke');
  }

  /** Resolves with the first message of a kind, or the first that fits. */
  first(event: string, fits: (each: LiveEvent) => boolean = () => true): Promise<LiveEvent> {
    return eventually(() => this.events.find((each) => each.event === event && fits(each)) ?? false, {
      interval: 5,
    });
  }

  /** Resolves with the first poke that carries this checkpoint or a later one. */
  pokeAt(checkpoint: number): Promise<LiveEvent> {
    return this.first('poke', ({ data }) => Number(data['checkpoint']) >= checkpoint);
  }

  ended(): Promise<unknown> {
    return eventually(() => this.isEnded);
  }

  /** Aborts the connection, as a device does that goes away. */
  close(): void {
    this.request.destroy();
    this.agent.destroy();
  }

  private take(piece: string): void {
    this.text += piece;
    const messages = this.text.split('\n\n');
    this.text = messages.pop() ?? '';
    for (const message of messages) {
      const lines = message.split('\n');
      if (lines.every((line) => line.startsWith(':'))) this.comments += 1;
      else {
        const event = eventOf(lines);
        this.events.push(event);
        this.onEvent(event);
      }
    }
  }
}

function eventOf(lines: readonly string[]): LiveEvent {
  const value = (field: string): string | null =>
    lines.find((line) => line.startsWith(`${field}: `))?.slice(field.length + 2) ?? null;
  return {
    event: value('event') ?? 'message',
    id: value('id'),
    data: JSON.parse(value('data') ?? 'null') as LiveEvent['data'],
    at: performance.now(),
  };
}
