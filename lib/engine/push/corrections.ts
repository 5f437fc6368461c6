import { upsert } from '../../common/collections.js';
import type { SchemaContract } from '../../schema/schema-contract.js';
import type { Redelivery } from '../rows/redelivery.js';
import type { PushItem, PushResult } from './push-change.js';
import { isSendable, recordId } from './values/record-id.js';

/** The result of a push. */
export interface Pushed {
  readonly results: readonly PushResult[];
  /** The changes that were checked against the database. */
  readonly items: readonly PushItem[];
  /** The changes that are in the tables as they wanted it; of parked records that came with them, too. */
  readonly accepted: readonly PushItem[];
  /** Nothing was to be written of them, though their devices hold something else than the rows. */
  readonly unwritten: readonly PushItem[];
  /** They are on their device, and their rows are where its user doesn't read. */
  readonly hidden: readonly PushItem[];
}

export interface CorrectionOptions {
  readonly userId: string;
  /** See `SynchroOptions.refusedCreates`. */
  readonly refusedCreates: 'keep' | 'remove';
}

export interface Corrections {
  /** Records of which devices hold another version, or one that the server doesn't have. */
  readonly redelivered: readonly Redelivery[];
  /** Ids by which devices hold records that have no such id. */
  readonly withdrawn: readonly Redelivery[];
}

/** Differences between devices and server that no verdict corrects: pulls do. */
export function corrections(
  { tables }: SchemaContract,
  { results, items, accepted, unwritten, hidden }: Pushed,
  { userId, refusedCreates }: CorrectionOptions,
): Corrections {
  const unversioned = results.filter(
    ({ status, server_version: version }) => DROPS_CHANGE.has(status) && version === undefined,
  );
  const refused = unversioned.filter(({ status }) => status === 'rejected_terminal');
  const again = [...unversioned, ...unwritten.map(({ ref }) => ref)].flatMap(({ id, table_name: table }) => {
    const key = tables.get(table)?.primaryKey;
    const known = key ? recordId(key, id) : null;
    return known === null ? [] : { table, id: known };
  });
  const removed = refused.filter(
    ({ operation, table_name: table, id }) =>
      refusedCreates === 'remove' && operation === 'create' && tables.has(table) && isSendable(id),
  );
  const gone = [...removed, ...hidden.map(({ ref }) => ref)].map(({ table_name: table, id }) => ({
    table,
    id,
  }));
  return {
    redelivered: byTable(again, { kind: 'redeliver', forceNewerTimestamp: true }),
    withdrawn: [
      ...byTable([...gone, ...respelled(results, items, accepted)], { kind: 'withdraw' }),
      ...byTable(accepted.flatMap(respelledBefore), { kind: 'withdraw', userId }),
    ],
  };
}

/** Verdicts for which a device drops its change. */
const DROPS_CHANGE: ReadonlySet<string> = new Set(['rejected_terminal', 'conflict']);

interface RecordName {
  readonly table: string;
  readonly id: string;
}

/**
 * Ids as this device has them, of rows whose id has another text: Swift writes UUIDs in capitals. The device gets the
 * row under the server's id, and would hold it twice. Parked rows are not there to be delivered.
 */
function respelled(
  results: readonly PushResult[],
  items: readonly PushItem[],
  accepted: readonly PushItem[],
): readonly RecordName[] {
  const answered = new Set(accepted.map(({ index }) => index));
  return items.flatMap(({ index, id, ref, table }) => {
    const isAnswered = answered.has(index) || results[index]?.server_version !== undefined;
    return isAnswered && ref.id !== id ? { table: table.table.name, id: ref.id } : [];
  });
}

/** The same of a record that was parked: its data say how the device that made it, any of the user's, wrote its id. */
function respelledBefore({ index, id, data, table: { table, primaryKey } }: PushItem): readonly RecordName[] {
  const sent = data?.get(primaryKey.name);
  const isOther = index < 0 && typeof sent === 'string' && sent !== id && recordId(primaryKey, sent) === id;
  return isOther ? [{ table: table.name, id: sent }] : [];
}

/** The ids of records, to be withdrawn where they don't exist for a device's user. */
export function withdrawals(items: readonly PushItem[]): readonly Redelivery[] {
  const names = items.map(({ id, table: { table } }) => ({ table: table.name, id }));
  return byTable(names, { kind: 'withdraw' });
}

function byTable(
  records: readonly RecordName[],
  what: Pick<Redelivery, 'kind' | 'forceNewerTimestamp' | 'userId'>,
): readonly Redelivery[] {
  const ids = new Map<string, Set<string>>();
  for (const { table, id } of records) upsert(ids, table, () => new Set()).add(id);
  return [...ids].map(([table, recordIds]) => ({ ...what, table, recordIds: [...recordIds] }));
}
