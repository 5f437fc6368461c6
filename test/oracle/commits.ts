import { DatabaseError } from 'pg';
import type { TestDatabase } from '../support/database.js';
import { eventually } from '../support/wait.js';
import { now } from './exchange.js';

/** Where the log of the server has a transaction that has changed a table of the world. */
interface Commit {
  /** Microseconds since 1970. */
  readonly time: number;
  readonly end: bigint;
}

/** BEGIN has the xid, COMMIT where its record ends and when it was. */
const READ = `
  SELECT (('x' || encode(substr(data, 11, 8), 'hex'))::bit(64)::bigint)::text AS end,
         (('x' || encode(substr(data, 19, 8), 'hex'))::bit(64)::bigint + 946684800000000)::text AS time
    FROM pg_logical_slot_get_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', $2)
   WHERE get_byte(data, 0) = ascii('C')`;

/** Knows, by a slot of the test's own, up to when everything was applied by the position that the consumer has stored. */
export class Commits {
  /** By where they end. */
  private commits: readonly Commit[] = [];
  /** The earliest time of a commit and those after it. */
  private earliest: readonly number[] = [];
  private readUntil = 0;

  constructor(private readonly database: TestDatabase) {}

  static async prepare(database: TestDatabase): Promise<void> {
    await database.query(`CREATE PUBLICATION ${publication(database)} FOR TABLE history`);
    await createSlot(database);
  }

  /** Reads what was committed since the last time. */
  async read(): Promise<void> {
    const began = now();
    const rows = await whenFree(() =>
      this.database.query<CommitRow>(READ, [slot(this.database), publication(this.database)]),
    ).catch((error: unknown) => this.startAgain(error));
    this.readUntil = began;
    this.keep([...this.commits, ...rows.map(({ end, time }) => ({ end: BigInt(end), time: Number(time) }))]);
  }

  forget(before: number): void {
    this.keep(this.commits.filter(({ time }) => time >= before));
  }

  /** Up to when everything is applied once the position is this one. */
  appliedUntil(position: bigint): number {
    let [low, high] = [0, this.commits.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.commits[middle]?.end ?? 0n) <= position) low = middle + 1;
      else high = middle;
    }
    return this.earliest[low] ?? Infinity;
  }

  /**
   * The slot was lost, as a fault of the soak does to every slot. What was committed since the last time may have been
   * committed at any moment up to now.
   */
  private async startAgain(error: unknown): Promise<readonly CommitRow[]> {
    if (codeOf(error) !== SLOT_LOST) throw error;
    await whenFree(() => this.database.query('SELECT pg_drop_replication_slot($1)', [slot(this.database)]));
    await createSlot(this.database);
    return this.database.query(
      `SELECT (pg_current_wal_insert_lsn() - '0/0')::text AS end, $1::text AS time`,
      [this.readUntil],
    );
  }

  private keep(commits: readonly Commit[]): void {
    this.commits = commits;
    let earliest = Infinity;
    this.earliest = commits
      .toReversed()
      .map(({ time }) => (earliest = Math.min(earliest, time)))
      .toReversed();
  }
}

interface CommitRow {
  readonly end: string;
  readonly time: string;
}

/** object_not_in_prerequisite_state: it was invalidated. */
const SLOT_LOST = '55000';
/** object_in_use: the backend of a session that a fault has cut still holds it. */
const SLOT_BUSY = '55006';

/** Tries again while the slot is busy; any other error is told at once. */
async function whenFree<T>(work: () => Promise<T>): Promise<T> {
  const outcome = await eventually(async () => {
    try {
      return { value: await work() };
    } catch (error) {
      if (codeOf(error) === SLOT_BUSY) throw error;
      return { error };
    }
  });
  if ('error' in outcome) throw outcome.error;
  return outcome.value;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof DatabaseError ? error.code : undefined;
}

async function createSlot(database: TestDatabase): Promise<void> {
  await database.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot(database)]);
}

function slot({ name }: TestDatabase): string {
  return `${name}_history`;
}

function publication({ name }: TestDatabase): string {
  return `${name}_history`;
}
