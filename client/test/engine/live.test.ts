import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/wait.js';
import { insertTask, type SampleServer, startServer, syncedDevice } from '../support/devices.js';

let server: SampleServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

/** A proxy between device and server that answers the requests of the live channel. */
function proxy(live: (input: string, init: RequestInit | undefined) => Promise<Response>): {
  readonly fetch: typeof fetch;
  readonly streams: string[];
  readonly polls: string[];
} {
  const [streams, polls]: [string[], string[]] = [[], []];
  return {
    streams,
    polls,
    fetch: async (input, init) => {
      const url = input as string;
      if (!url.includes('/live?')) return fetch(url, init);
      (url.includes('wait=') ? polls : streams).push(url);
      return live(url, init);
    },
  };
}

describe('the live channel', () => {
  it('brings another’s commit long before the next poll', async () => {
    const user = randomUUID();
    const sync = await syncedDevice(server.url, user);
    await eventually(() => sync.status.get().phase === 'live');
    const tasks = sync.table('tasks');
    await tasks.load();
    const id = await insertTask(server, user, 'Milk');
    await eventually(() => tasks.get(id)?.['title'] === 'Milk', { timeout: 5_000 });
  });

  it('falls back to long polls where a proxy ends every stream [W-CLIENT-14]', async () => {
    const user = randomUUID();
    const through = proxy((url, init) =>
      url.includes('wait=')
        ? fetch(url, init)
        : Promise.resolve(new Response('', { headers: { 'content-type': 'text/event-stream' } })),
    );
    const sync = await syncedDevice(server.url, user, { fetch: through.fetch });
    await eventually(() => through.polls.length > 0);
    expect(through.streams).toHaveLength(3);
    const tasks = sync.table('tasks');
    await tasks.load();
    const id = await insertTask(server, user, 'Milk');
    await eventually(() => tasks.get(id)?.['title'] === 'Milk', { timeout: 5_000 });
    expect(sync.status.get().phase).toBe('live');
  });

  it('is not needed: a server without one is polled', async () => {
    const through = proxy(() => Promise.resolve(new Response('{"error":"live is off"}', { status: 404 })));
    const sync = await syncedDevice(server.url, randomUUID(), { fetch: through.fetch });
    await eventually(() => through.streams.length > 0);
    expect(await (await sync.table('tasks').create({ title: 'Milk' })).verdict).toEqual({
      status: 'applied',
    });
    expect(sync.status.get().phase).toBe('polling');
  });
});

describe('what a device wrote', () => {
  it('is in the pull after its push, with the server’s columns', async () => {
    const user = randomUUID();
    const sync = await syncedDevice(server.url, user);
    const tasks = sync.table('tasks');
    await tasks.load();
    const { id } = await tasks.create({ title: 'Milk' });
    await sync.caughtUp();
    expect(tasks.get(id)).toMatchObject({ title: 'Milk', user_id: user });
  });
});
