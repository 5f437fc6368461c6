import { SyncDeviceError } from './sync-device-error.js';

/** A device's live stream: waits until there is something to pull. */
export class LiveChannel {
  private readonly ended = new AbortController();
  private isPoked = false;
  private closed: Error | null = null;
  private wake: () => void = () => undefined;

  /**
   * Connects, and resolves with the server's greeting.
   * @param url of the sync routes
   * @throws SyncDeviceError when the answer is no stream
   */
  static async open(
    url: string,
    query: { readonly client_id: string; readonly since: string },
    headers: Readonly<Record<string, string>>,
  ): Promise<LiveChannel> {
    const channel = new LiveChannel();
    const response = await fetch(`${url}/live?${new URLSearchParams(query).toString()}`, {
      headers: { ...headers, accept: 'text/event-stream' },
      signal: channel.ended.signal,
    });
    const { body, status } = response;
    if (status !== 200 || body === null) throw new SyncDeviceError('live', status, await response.text());
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    const greeted = new Promise<void>((resolve, reject) => {
      channel
        .read(reader, resolve)
        .then(() => reject(new Error('the stream ended without a greeting')), reject);
    });
    await greeted;
    return channel;
  }

  /**
   * Resolves with the server's next poke, at once when one has come since the last call: pull then.
   * @param timeout milliseconds. Default: 5 000
   * @throws Error when none comes in time, or the server has ended the stream
   */
  async poked({ timeout = 5_000 }: { readonly timeout?: number } = {}): Promise<void> {
    const deadline = performance.now() + timeout;
    while (!this.isPoked) {
      if (this.closed) throw this.closed;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`no poke in ${timeout} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.isPoked = false;
  }

  close(): void {
    this.ended.abort();
  }

  private async read(reader: ReadableStreamDefaultReader<string>, onHello: () => void): Promise<void> {
    let text = '';
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) throw new Error('the server has ended the stream');
        const messages = (text + value).split('\n\n');
        text = messages.pop() ?? '';
        for (const message of messages) this.take(message, onHello);
      }
    } catch (error) {
      this.closed ??= error instanceof Error ? error : new Error(String(error));
      this.wake();
    }
  }

  private take(message: string, onHello: () => void): void {
    const [, event = ''] = /^event: (.*)$/m.exec(message) ?? [];
    const [, data = '{}'] = /^data: (.*)$/m.exec(message) ?? [];
    const { reason = '' } = JSON.parse(data) as { readonly reason?: string };
    if (event === 'hello') onHello();
    if (event === 'bye') this.closed = new Error(`the server has ended the stream: ${reason}`);
    if (event !== 'poke') return;
    this.isPoked = true;
    this.wake();
  }
}
