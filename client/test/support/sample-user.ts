import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { startServer, type SampleServer } from './devices.js';
import { Network } from './network.js';

/** A user of the sample app whose devices have a network that tests can break. */
export class SampleUser {
  server!: SampleServer;
  user!: string;
  network!: Network;

  /** The titles of the user's tasks on the server, in their order. */
  async titles(): Promise<readonly string[]> {
    const rows = await this.server.database.query<{ title: string }>(
      'SELECT title FROM tasks WHERE user_id = $1 AND deleted_at IS NULL ORDER BY title',
      [this.user],
    );
    return rows.map(({ title }) => title);
  }
}

/** Starts a server for the tests of a file, and gives each test a user and a network of its own. */
export function sampleUser(): SampleUser {
  const sample = new SampleUser();
  beforeAll(async () => {
    sample.server = await startServer();
  });
  afterAll(() => sample.server.close());
  beforeEach(() => {
    sample.user = randomUUID();
    sample.network = new Network();
  });
  return sample;
}
