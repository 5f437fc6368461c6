import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client } from 'pg';
import { serve } from '../environment/serve.js';
import { readTasks } from './statements.js';

const client = new Client({ connectionString: process.env['DATABASE_URL'], options: '-c TimeZone=UTC' });
await client.connect();
let pages: ReadonlyMap<number, string> = new Map();

let last: Promise<unknown> = Promise.resolve();

/** One after another: it has but one connection. */
function read(ids: string | undefined): Promise<string> {
  const result = last.then(() => readTasks(client, ids));
  last = result;
  return result;
}

/**
 * The least that a server can do to answer a pull: it knows which rows, reads them by their keys with one prepared
 * statement that makes the whole text, and sends it.
 */
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { checkpoint } = JSON.parse(Buffer.concat(chunks).toString()) as { checkpoint: number };
    void read(pages.get(checkpoint)).then((records) => {
      const body = Buffer.from(`{"changes":[${records}]}\n`);
      response
        .writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length })
        .end(body);
    });
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

/** @param known checkpoint and the keys of the page that follows it */
function learn(known: readonly (readonly [checkpoint: number, ids: readonly string[]])[]): void {
  pages = new Map(known.map(([checkpoint, ids]) => [checkpoint, `{${ids.join(',')}}`]));
}

const { port } = server.address() as AddressInfo;
serve({ learn }, `http://127.0.0.1:${port}`, async () => {
  server.close();
  await client.end();
});
