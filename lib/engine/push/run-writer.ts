import type { SyncRegistry } from '../../registry/sync-registry.js';
import type { Statement } from '../../store/pipeline.js';
import type { RoleSwitch } from '../../store/role-switch.js';
import { columnJson } from './client-values.js';
import { isEcho } from './echo.js';
import type { Write } from './judge.js';
import type { StoredRow } from './push-change.js';
import { recordKey } from './record-id.js';
import { sqlFailure } from './sqlstate.js';
import type { Run } from './waves.js';
import { deleteSql, insertSql, keptName, type RunShape, updateSql } from './write-sql.js';
import { parseRow } from './writable-columns.js';

/** What became of one write. */
export type Outcome =
  | { readonly kind: 'written'; readonly write: Write; readonly row: StoredRow }
  /** The statement passed it over: the key is taken, or a policy or a trigger hides the row. */
  | { readonly kind: 'passed'; readonly write: Write }
  /** It would have put the row into a bucket that its user doesn't read (see `writeReadable`). */
  | { readonly kind: 'unreadable'; readonly write: Write }
  | { readonly kind: 'failed'; readonly write: Write; readonly error: unknown };

/**
 * Writes a run set-based in a savepoint. When it fails in SQL it is split until the bad record stands alone: the
 * others are written, in the order in which they came.
 *
 * @throws what is no fault of a record's: the whole transaction is to be tried again
 */
export async function writeRun(
  roles: RoleSwitch,
  registry: SyncRegistry,
  userId: string,
  run: Run,
): Promise<readonly Outcome[]> {
  try {
    return await writeAll(roles, registry, userId, run);
  } catch (error) {
    if (sqlFailure(error) === 'transient') throw error;
    await roles.command(`ROLLBACK TO SAVEPOINT ${SAVEPOINT}; RELEASE SAVEPOINT ${SAVEPOINT}`);
    const [first, second] = halves(run);
    if (!second) return [{ kind: 'failed', write: run[0], error }];
    return [
      ...(await writeRun(roles, registry, userId, first)),
      ...(await writeRun(roles, registry, userId, second)),
    ];
  }
}

const SAVEPOINT = 'synchro_push';

async function writeAll(
  roles: RoleSwitch,
  registry: SyncRegistry,
  userId: string,
  run: Run,
): Promise<readonly Outcome[]> {
  const [, , rows = []] = await roles.together(
    [
      { sql: `SAVEPOINT ${SAVEPOINT}` },
      // A deferred constraint would fail at COMMIT, after the verdicts (interleavings 18).
      { sql: 'SET CONSTRAINTS ALL IMMEDIATE' },
      statement(registry, userId, run),
      { sql: `RELEASE SAVEPOINT ${SAVEPOINT}` },
    ],
    'own',
  );
  const written = rows as readonly StoredRow[];
  const byKey = new Map(written.map((row) => [recordKey(run[0].item.table, row.id), row]));
  return run.map((write) => {
    const row = byKey.get(write.item.key);
    return row ? { kind: 'written', write, row } : { kind: 'passed', write };
  });
}

function statement(registry: SyncRegistry, userId: string, run: Run): Statement {
  const [{ item, kind, columns }] = run;
  const shape: RunShape = { contract: item.table, columns };
  const records = `[${run.map(recordText).join(',')}]`;
  switch (kind) {
    case 'insert':
      return insertSql(registry, shape, records, userId);
    case 'delete':
      return deleteSql(registry, shape, records, userId);
    default:
      return updateSql(registry, shape, records, userId, kind === 'undelete');
  }
}

function recordText({ item, columns, row }: Write): string {
  const stored = row && parseRow(row);
  const kept: number[] = [];
  const members = columns.map((column, index) => {
    const sent = item.data?.get(column.name);
    const isKept = stored !== undefined && isEcho(column, sent, stored[column.name]);
    if (isKept) kept.push(index);
    const value = isKept ? 'null' : columnJson(column, sent, stored?.[column.name]);
    return `${JSON.stringify(column.name)}:${value}`;
  });
  const key = `${JSON.stringify(item.table.primaryKey.name)}:${JSON.stringify(row?.id ?? item.id)}`;
  return `{${[key, ...members, `${JSON.stringify(keptName(item.table))}:${JSON.stringify(kept)}`].join(',')}}`;
}

function halves(run: Run): readonly [Run, Run | null] {
  const [first, ...rest] = run;
  const middle = Math.ceil(run.length / 2);
  const [start, ...others] = rest.slice(middle - 1);
  return [[first, ...rest.slice(0, middle - 1)], start ? [start, ...others] : null];
}
