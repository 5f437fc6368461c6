import { Pool } from 'undici';

/** Requests over connections that stay open. */
export class HttpLoad {
  private readonly pool: Pool;

  constructor(url: string, connections = 1) {
    this.pool = new Pool(url, { connections, pipelining: 1 });
  }

  /** @throws Error unless the answer is a 200 */
  async post(path: string, body: string, userId: string): Promise<string> {
    return this.send('POST', path, userId, body);
  }

  async get(path: string, userId: string): Promise<string> {
    return this.send('GET', path, userId, null);
  }

  async close(): Promise<void> {
    await this.pool.close();
  }

  private async send(
    method: 'GET' | 'POST',
    path: string,
    userId: string,
    body: string | null,
  ): Promise<string> {
    const headers = { 'content-type': 'application/json', 'x-user-id': userId, 'x-app-version': '1.0.0' };
    const answer = await this.pool.request({ method, path, body, headers });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`${path} answered ${answer.statusCode}: ${text}`);
    return text;
  }
}

/**
 * Does something again and again for so long, by so many at once.
 * @returns how often
 */
export async function repeatFor(
  milliseconds: number,
  lanes: number,
  work: (n: number) => Promise<void>,
): Promise<number> {
  const end = performance.now() + milliseconds;
  let next = 0;
  const lane = async (): Promise<void> => {
    do await work(next++);
    while (performance.now() < end);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return next;
}

/** Does something so many times, by so many at once. */
export async function repeat(
  times: number,
  lanes: number,
  work: (n: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < times) await work(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
