import { Agent, get, type ClientRequest } from 'node:http';

/** A device's live stream, read with as little work as can be. */
export class LiveStream {
  private constructor(private readonly request: ClientRequest) {}

  /** @param path as `BenchDevice.livePath` says it; @param onPoke called with each poke */
  static open(url: string, path: string, userId: string, onPoke: () => void): Promise<LiveStream> {
    return new Promise((resolve, reject) => {
      const request = get(url + path, {
        agent: AGENT,
        headers: { accept: 'text/event-stream', 'x-user-id': userId, 'x-app-version': '1.0.0' },
      });
      request.once('error', reject);
      request.once('response', (response) => {
        if (response.statusCode !== 200) return reject(new Error(`${path} answered ${response.statusCode}`));
        response.setEncoding('utf8');
        response.on('error', () => undefined); // it was closed here
        response.on('data', (text: string) => {
          if (text.includes('event: hello')) resolve(new LiveStream(request));
          if (text.includes('event: poke')) onPoke();
        });
      });
    });
  }

  close(): void {
    this.request.destroy();
  }
}

/** A connection for each. */
const AGENT = new Agent({ keepAlive: false, maxSockets: Infinity });
