import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Live } from '../../src/engine/live.js';
import type { Replica } from '../../src/engine/replica.js';
import { Http } from '../../src/wire/http.js';

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => vi.useRealTimers());

const never = (): Promise<never> => new Promise(() => undefined);

it('a token that never comes ends with the time for a request, and with the client [W-CLIENT-32]', async () => {
  const http = new Http({ url: 'http://localhost', token: never });
  const late = expect(http.post('pull', {})).rejects.toThrow('no answer in time');
  vi.advanceTimersByTime(60_000);
  await late;
  const closed = expect(http.post('pull', {})).rejects.toThrow('the sync client is closed');
  http.close();
  await closed;
});

it('a long poll that stops behind its head is given up [W-CLIENT-33]', async () => {
  const server = createServer((_, response) => void response.writeHead(200).write(' '));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const answers = new EventEmitter();
    const begun = once(answers, 'head');
    const http = new Http({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      fetch: async (...request) => {
        const response = await fetch(...request);
        setImmediate(() => answers.emit('head'));
        return response;
      },
    });
    const replica = { meta: { clientId: 'phone', checkpoint: 0 } } as Replica;
    const live = new Live(http, replica, { onNews: () => undefined, onLive: () => undefined });
    // No stream has lived here.
    Object.assign(live, { shortStreams: 3 });
    const given = expect(live.connect()).rejects.toThrow('aborted');
    await begun;
    vi.advanceTimersByTime(45_000);
    await given;
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
