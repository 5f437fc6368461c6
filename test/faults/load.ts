import { expect } from 'vitest';
import { auditChanges, shown, SYNCED_TABLES, visibleRows, wrongEdges } from '../support/audit.js';
import { consumed } from '../support/consumer.js';
import { lostWork, PersistentUser } from '../support/persistent-user.js';
import { Random } from '../support/random.js';
import { insertTask } from '../support/sample-rows.js';
import { SqlWriter } from '../support/sql-writer.js';
import { patiently } from './patience.js';
import type { Site } from './site.js';

const NAMES = ['alice', 'bob', 'carol'];

/** A light load on a site of the sample app: a user at each instance, and a writer past sync. */
export class Load {
  private working: Promise<unknown> = Promise.resolve();
  private resting = true;

  static async start(site: Site, seed: number): Promise<Load> {
    await auditChanges(site.database);
    const users = site.urls.map(
      (url, n) =>
        new PersistentUser(url, NAMES[n % NAMES.length] ?? '', new Random(seed + n), { startsAgain: true }),
    );
    for (const user of users) await user.device.start();
    const contended = await insertTask(site.database, 'alice', 'contended');
    const writer = (): SqlWriter =>
      new SqlWriter(site.database.url, NAMES, new Random((seed += 1_000)), contended);
    const load = new Load(site, users, writer);
    load.resume();
    return load;
  }

  private constructor(
    private readonly site: Site,
    readonly users: readonly PersistentUser[],
    private readonly newWriter: () => SqlWriter,
  ) {}

  private writer: SqlWriter | null = null;

  resume(): void {
    this.resting = false;
    this.working = Promise.all([this.write(), ...this.users.map((user) => user.run())]);
    // Told where it is waited for.
    this.working.catch(() => undefined);
  }

  /** Ends it, and lets every device and the changelog come to rest. */
  async rest(): Promise<void> {
    this.stop();
    await this.working;
    const { database } = this.site;
    await consumed(database);
    for (const user of this.users) await user.untilAnswered(() => user.device.sync());
    await consumed(database);
    for (const user of this.users) await user.untilAnswered(() => user.device.pull());
  }

  stop(): void {
    this.resting = true;
    this.writer?.stop();
    for (const user of this.users) user.stop();
  }

  /** At rest: devices show what their users may see, nobody's work is lost, and the edges are those of the rows. */
  async expectConverged(): Promise<void> {
    const { database } = this.site;
    expect(await wrongEdges(database)).toEqual([]);
    for (const user of this.users) {
      for (const table of SYNCED_TABLES)
        expect(shown(user.device, table)).toEqual(await visibleRows(database, table, user.name));
      for (const table of ['tasks', 'comments'] as const)
        expect(await lostWork(database, user, table)).toEqual([]);
    }
  }

  /** A writer ends with its connection; another one comes. */
  private async write(): Promise<void> {
    while (!this.resting) {
      this.writer = this.newWriter();
      await this.writer.run().catch(async (error: unknown) => {
        if (!isConnectionLost(error)) throw error;
        await patiently(() => this.site.database.query('SELECT'));
      });
    }
  }
}

function isConnectionLost(error: unknown): boolean {
  const { code, message } = error as { code?: string; message: string };
  return (
    /^(57P0\d|08\d+|53300|ECONNREFUSED|ECONNRESET|EPIPE)$/.test(code ?? '') || /terminated/i.test(message)
  );
}
