import type { Write } from '../../src/engine/edits.js';
import type { Status } from '../../src/engine/status.js';
import type { AnyTables, Sync } from '../../src/index.js';
import type { Operation, Refused, Row } from '../../src/records/record.js';
import type { TableName } from '../../../test/oracle/world/tables.js';

export interface Edit {
  readonly table: TableName;
  readonly operation: Operation;
  readonly id: string;
  readonly values: Row;
}

export type Pending = 'push' | 'keep' | 'discard';

/** One tab of a device, or its process, as its user sees it. */
export interface Screen {
  readonly isFrozen: boolean;
  rows(table: string): Promise<readonly Row[]>;
  /** Makes edits in one transaction, or each by itself. */
  write(edits: readonly Edit[], together: boolean): Promise<readonly Write[]>;
  rejected(): Promise<readonly Refused[]>;
  retry(key: string): Promise<readonly Write[]>;
  discard(key: string): Promise<void>;
  /** Makes the edit of the next conflict again, which may be one that was kept. */
  keepMine(told: (conflict: Refused, made: Promise<Write>) => void): Promise<void>;
  caughtUp(timeout: number): Promise<void>;
  signOut(pending: Pending, timeout: number): Promise<void>;
  status(): Promise<Status>;
  /** Dies at once, or with one of its next writes: the last one that is stored, or the first one that is not. */
  kill(atWrite?: { readonly writes: number; readonly isStored: boolean }): Promise<void>;
  /** Its next writes find no space. */
  fill(writes: number): Promise<void>;
}

/** A screen's work on a client of this process. */
export class SyncScreen {
  constructor(readonly sync: Sync<AnyTables>) {}

  async rows(table: string): Promise<readonly Row[]> {
    return this.sync.table(table).query();
  }

  async write(edits: readonly Edit[], together: boolean): Promise<readonly Write[]> {
    const { sync } = this;
    if (!together) {
      return Promise.all(
        edits.map(({ table, operation, id, values }) => {
          const rows = sync.table(table);
          if (operation === 'create') return rows.create({ id, ...values });
          return operation === 'update' ? rows.update(id, values) : rows.delete(id);
        }),
      );
    }
    return sync.transaction((tx) => {
      for (const { table, operation, id, values } of edits) {
        if (operation === 'create') tx.table(table).create({ id, ...values });
        else if (operation === 'update') tx.table(table).update(id, values);
        else tx.table(table).delete(id);
      }
    });
  }

  async rejected(): Promise<readonly Refused[]> {
    return this.sync.rejected.get();
  }

  retry(key: string): Promise<readonly Write[]> {
    return this.sync.rejected.retry(key);
  }

  discard(key: string): Promise<void> {
    return this.sync.rejected.discard(key);
  }

  async keepMine(told: (conflict: Refused, made: Promise<Write>) => void): Promise<void> {
    const stop = this.sync.on('conflict', async (conflict) => {
      stop();
      const made = conflict.keepMine();
      // Where it fails, the ledger hears of it, and judges.
      told(conflict, made);
      await Promise.allSettled([made]);
    });
  }

  caughtUp(timeout: number): Promise<void> {
    return this.sync.caughtUp({ timeout });
  }

  signOut(pending: Pending, timeout: number): Promise<void> {
    return this.sync.signOut({ pending, timeout });
  }

  async status(): Promise<Status> {
    return this.sync.status.get();
  }
}
