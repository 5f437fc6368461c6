import { Device } from '../support/device.js';
import type { TestDatabase } from '../support/database.js';
import { eventually } from '../support/wait.js';
import { uuidOf, type FuzzTables, type Victims } from './fuzz-tables.js';

export interface BystanderOptions {
  /** Bytes that the app uses, e.g. of its heap after a collection. Default: not looked at. */
  readonly memory?: () => number | Promise<number>;
  /** Bytes that it may use more than at the first check. Default: 256 MB. */
  readonly growth?: number;
  /** Database connections that the app may hold. Default: not looked at. */
  readonly connections?: number;
  /** Sync tables are never restored from a dump: the victims' devices must be as their own requests left them. Default: true. */
  readonly watchDevices?: boolean;
}

interface Setup extends BystanderOptions {
  readonly seed: number;
  readonly url: () => string;
  readonly database: TestDatabase;
  readonly tables: FuzzTables;
  readonly victims: Victims;
  readonly identify: (user: string) => Readonly<Record<string, string>>;
}

const GROWTH = 256 * 1024 * 1024;

/** Users who do nothing wrong: their rows and devices must be as they left them, whatever an attacker sends. */
export class Bystanders {
  private readonly devices: readonly Device[];
  private rows: ReadonlyMap<string, string> = new Map();
  private ownerless = 0;
  private known = new Map<string, string>();
  private memory: number | null = null;
  private checks = 0;

  constructor(private readonly setup: Setup) {
    const { seed, victims, identify } = setup;
    this.devices = victims.users.map(
      (user) => new Device('', user, uuidOf(seed, 'device', user), { headers: identify(user) }),
    );
  }

  /** Ids of their devices, which the attacker knows. */
  get clients(): readonly string[] {
    return this.devices.map(({ clientId }) => clientId);
  }

  async start(): Promise<void> {
    const { database, tables, victims, url } = this.setup;
    await tables.seed(database, victims);
    this.rows = await tables.state(database, victims);
    this.ownerless = await tables.ownerless(database);
    for (const device of this.devices) {
      device.url = url();
      await device.start();
    }
    this.known = await this.clientRows();
  }

  async check(): Promise<void> {
    await this.checkRows();
    if (this.setup.watchDevices ?? true) {
      const now = await this.clientRows();
      for (const [key, row] of this.known) {
        if (now.get(key) !== row)
          throw new Error(`the device ${key} was ${row} and is ${now.get(key) ?? 'gone'}`);
      }
      if (now.size !== this.known.size) throw new Error('a victim has a device that is not hers');
    }
    for (const device of this.devices) await this.checkDevice(device);
    this.known = await this.clientRows();
    await this.checkConnections();
    await this.checkMemory();
  }

  private async checkRows(): Promise<void> {
    const { database, tables, victims } = this.setup;
    const now = await tables.state(database, victims);
    for (const key of new Set([...this.rows.keys(), ...now.keys()])) {
      const [was, is] = [this.rows.get(key), now.get(key)];
      if (was !== is) throw new Error(`the row ${key} was ${was ?? 'not there'} and is ${is ?? 'gone'}`);
    }
    const ownerless = await tables.ownerless(database);
    if (ownerless !== this.ownerless) throw new Error(`${ownerless - this.ownerless} rows are nobody's`);
  }

  /** A change of one device reaches another one of the same user, which has everything besides. */
  private async checkDevice(device: Device): Promise<void> {
    const { database, tables, victims, seed, url, identify } = this.setup;
    const table = tables.tables.find(({ owner }) => owner !== undefined);
    const name = Object.entries(table?.columns ?? {}).find(
      ([column, kind]) => kind === 'text' && column !== table?.owner,
    )?.[0];
    if (!table?.owner || name === undefined) throw new Error('the tables leave nothing to check');
    const title = `beat ${++this.checks}`;
    device.url = url();
    const id = uuidOf(seed, device.userId, title);
    device.create(table.name, { [table.owner]: device.userId, [name]: title }, id);
    // The app is opened again: columns may have been added since.
    await device.start();
    const fresh = new Device(url(), device.userId, uuidOf(seed, 'fresh', device.userId), {
      headers: identify(device.userId),
    });
    await eventually(
      async () => {
        await fresh.start();
        return fresh.row(table.name, id)?.[name] === title;
      },
      { timeout: 60_000 },
    );
    // A snapshot that the device was sent to right after its push may have been too early for it.
    await device.sync();
    for (const row of victims.rows.filter(({ user, deleted }) => user === device.userId && !deleted)) {
      for (const each of [device, fresh]) {
        if (!each.row(row.table, row.id))
          throw new Error(`${row.table}/${row.id} is not on the device of ${row.user}`);
      }
    }
    device.delete(table.name, id);
    await device.sync();
    await database.query(`DELETE FROM ${table.name} WHERE id = $1`, [id]);
  }

  private async clientRows(): Promise<Map<string, string>> {
    const rows = await this.setup.database.query<{ key: string; row: string }>(
      `SELECT user_id || '/' || client_id AS key, to_jsonb(c)::text AS row FROM sync_clients c
        WHERE user_id = ANY($1)`,
      [this.setup.victims.users],
    );
    return new Map(rows.map(({ key, row }) => [key, row]));
  }

  private async checkConnections(): Promise<void> {
    const { database, connections } = this.setup;
    await eventually(async () => {
      const [row] = await database.query<{ stuck: number; all: number }>(
        `SELECT count(*) FILTER (WHERE state LIKE 'idle in transaction%')::int AS stuck, count(*)::int AS all
           FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND backend_type = 'client backend'`,
      );
      if (!row || row.stuck > 0) throw new Error(`${row?.stuck} transactions were left open`);
      if (connections !== undefined && row.all > connections)
        throw new Error(`the app holds ${row.all} database connections`);
    });
  }

  private async checkMemory(): Promise<void> {
    const { memory, growth = GROWTH } = this.setup;
    const now = await memory?.();
    if (now === undefined) return;
    this.memory ??= now;
    if (now - this.memory > growth) {
      throw new Error(`the app uses ${Math.round((now - this.memory) / 1024 / 1024)} MB more than at first`);
    }
  }
}
