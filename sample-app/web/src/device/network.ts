import { clock, tellPage, type DeviceMessage } from '../shared/messages.js';
import { StoredFlag } from '../shared/value.js';

interface Page {
  readonly checkpoint: number;
  readonly changes?: readonly RecordName[];
  readonly deletes?: readonly RecordName[];
  readonly accepted?: readonly RecordName[];
}

interface RecordName {
  readonly table_name: string;
  readonly id: string;
}

/** The device's way to the server, with a switch. It tells the page around it what comes, and when. */
export class Network {
  readonly isOffline: StoredFlag;
  private cut = new AbortController();

  constructor(private readonly device: string) {
    this.isOffline = new StoredFlag(`offline:${device}`);
    this.isOffline.subscribe(() => {
      if (this.isOffline.get()) {
        this.cut.abort(new TypeError('the device has gone offline'));
        return;
      }
      this.cut = new AbortController();
      // As the browser does when the network is back: the client tries again at once.
      window.dispatchEvent(new Event('online'));
    });
  }

  readonly fetch: typeof fetch = async (input, init) => {
    if (this.isOffline.get()) throw new TypeError('the device is offline');
    const signals = [this.cut.signal, ...(init?.signal ? [init.signal] : [])];
    const response = await fetch(input, { ...init, signal: AbortSignal.any(signals) });
    if (!response.ok || response.body === null) return response;
    const [route = ''] = new URL(input instanceof Request ? input.url : input, window.location.href).pathname
      .split('/')
      .slice(-1);
    if (route === 'live') return this.watchPokes(response, response.body);
    if (route === 'pull' || route === 'push') return this.report(route, response);
    return response;
  };

  private async report(route: 'pull' | 'push', response: Response): Promise<Response> {
    const text = await response.text();
    const at = clock();
    const page = JSON.parse(text) as Page;
    const names = [...(page.changes ?? []), ...(page.deletes ?? []), ...(page.accepted ?? [])];
    const records = names.map(({ table_name: table, id }) => `${table}/${id}`);
    const kind = route === 'pull' ? 'pulled' : 'pushed';
    if (records.length > 0)
      this.tell({ kind, at, checkpoint: kind === 'pulled' ? page.checkpoint : 0, records });
    return new Response(text, response);
  }

  /** The same stream; what passes by is read along. */
  private watchPokes(response: Response, body: ReadableStream<Uint8Array>): Response {
    const decoder = new TextDecoder();
    let text = '';
    const watch = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        controller.enqueue(chunk);
        text += decoder.decode(chunk, { stream: true });
        const messages = text.split('\n\n');
        text = messages.pop() ?? '';
        for (const message of messages) this.tellPoke(message);
      },
    });
    return new Response(body.pipeThrough(watch), response);
  }

  private tellPoke(message: string): void {
    const [, data] = /^event: ?poke$[^]*^data: ?(.*)$/m.exec(message) ?? [];
    if (data === undefined) return;
    const { checkpoint } = JSON.parse(data) as Page;
    this.tell({ kind: 'poked', at: clock(), checkpoint, records: [] });
  }

  private tell(message: Pick<DeviceMessage, 'kind' | 'at' | 'checkpoint' | 'records'>): void {
    tellPage({ device: this.device, ...message });
  }
}
