import type { Row } from '../../src/records/record.js';
import { keyOf } from '../../src/records/record.js';
import type { OpenStore, Store } from '../../src/store/store.js';
import { column, ENTRY, META, REFUSED, ROW, SCHEMA } from './store-samples.js';

/** One promise of every store. It throws where the store breaks it; it runs in Node and in a browser alike. */
export interface StoreCase {
  readonly title: string;
  readonly run: (store: Store) => Promise<void>;
}

async function prepared(store: Store, user = 'ann'): Promise<OpenStore> {
  const open = await store.open(user);
  await open.transact({}, () => ({ writes: { meta: { ...META, user }, schema: SCHEMA }, result: undefined }));
  return open;
}

const put = (
  id: string,
  row: Row | null,
  stamp = 1,
): { table: string; id: string; row: Row | null; stamp: number } => ({
  table: 'things',
  id,
  row: row && { ...row, id },
  stamp,
});

export const STORE_CASES: readonly StoreCase[] = [
  {
    title: 'keeps rows, pending and refused edits, meta and schema when it is opened again',
    run: async (store) => {
      const first = await prepared(store);
      const meta = { ...META, pending: 1, refused: 1, checkpoint: 7 };
      await first.transact({}, () => ({
        writes: {
          meta,
          rows: [put('a', ROW)],
          entries: [{ table: 'things', id: 'a', entry: ENTRY }],
          refused: [{ key: REFUSED.key, refused: REFUSED }],
        },
        result: undefined,
      }));
      await first.close();
      const second = await store.open('ann');
      const key = { table: 'things', id: 'a' };
      const state = await second.transact(
        { rows: [key], entries: [key], refused: true, schema: true },
        (found) => ({
          result: found,
        }),
      );
      same(state.meta, meta, 'meta');
      same(state.schema, SCHEMA, 'schema');
      same(state.rows.get(keyOf(key)), { row: ROW, stamp: 1 }, 'row');
      same([...state.entries.values()], [ENTRY], 'entries');
      same([...state.refused.values()], [REFUSED], 'refused');
      same([...(await second.readTable('things'))], [['a', ROW]], 'table');
      await second.close();
    },
  },
  {
    title: 'writes nothing of a transaction that throws',
    run: async (store) => {
      const open = await prepared(store);
      const failed = await open
        .transact({}, () => {
          throw new Error('on purpose');
        })
        .then(
          () => 'resolved',
          (error: Error) => error.message,
        );
      same(failed, 'on purpose', 'failure');
      await open.transact({}, () => ({ writes: { rows: [put('a', ROW)] }, result: undefined }));
      same((await open.readTable('things')).size, 1, 'rows');
      await open.close();
    },
  },
  {
    title: 'lets no transaction come between the reads and the writes of another',
    run: async (store) => {
      const open = await prepared(store);
      const count = (): Promise<void> =>
        open.transact({}, ({ meta }) => ({
          writes: { meta: { ...META, generation: (meta?.generation ?? 0) + 1 } },
          result: undefined,
        }));
      await Promise.all(Array.from({ length: 20 }, count));
      same(await open.transact({}, ({ meta }) => ({ result: meta?.generation })), 20, 'generation');
      await open.close();
    },
  },
  {
    title: 'sweeps rows of an older stamp, but for those with a pending edit',
    run: async (store) => {
      const open = await prepared(store);
      await open.transact({}, () => ({
        writes: {
          meta: { ...META, pending: 1 },
          rows: [put('a', ROW), put('b', ROW), put('c', ROW, 2)],
          entries: [{ table: 'things', id: 'a', entry: ENTRY }],
        },
        result: undefined,
      }));
      await open.transact({}, () => ({ writes: { sweep: 2 }, result: undefined }));
      same([...(await open.readTable('things')).keys()].toSorted(), ['a', 'c'], 'rows');
      await open.close();
    },
  },
  {
    title: 'takes a new schema: rows stay, with the new column empty until it is written',
    run: async (store) => {
      const open = await prepared(store);
      await open.transact({}, () => ({ writes: { rows: [put('a', ROW)] }, result: undefined }));
      const [things] = SCHEMA.tables;
      if (!things) throw new Error('no table');
      const columns = [...things.columns, column('note', 'text', 'string')];
      const schema = { ...SCHEMA, schema_hash: 'two', tables: [{ ...things, columns }] };
      await open.transact({}, () => ({ writes: { schema }, result: undefined }));
      same((await open.readTable('things')).get('a')?.['note'] ?? null, null, 'new column');
      await open.transact({}, () => ({
        writes: { rows: [put('a', { ...ROW, note: 'x' })] },
        result: undefined,
      }));
      same((await open.readTable('things')).get('a'), { ...ROW, note: 'x' }, 'row');
      await open.close();
    },
  },
  {
    title: 'removes nothing where a check does not allow it',
    run: async (store) => {
      const open = await prepared(store);
      const meta = { ...META, refused: 1 };
      await open.transact({}, () => ({
        writes: { meta, rows: [put('a', ROW)], refused: [{ key: REFUSED.key, refused: REFUSED }] },
        result: undefined,
      }));
      let seen: unknown;
      const thrown = await open
        .destroy((last) => {
          seen = [last.meta, [...last.refused]];
          throw new Error('not yet');
        })
        .catch((error: Error) => error.message);
      same([seen, thrown], [[meta, [[REFUSED.key, REFUSED]]], 'not yet'], 'check');
      same((await open.readTable('things')).size, 1, 'rows');
      await open.close();
    },
  },
  {
    title: 'keeps users apart, and leaves nothing of one that was destroyed',
    run: async (store) => {
      const ann = await prepared(store);
      const bob = await prepared(store, 'bob');
      await ann.transact({}, () => ({ writes: { rows: [put('a', ROW)] }, result: undefined }));
      same((await bob.readTable('things')).size, 0, 'rows of bob');
      await bob.close();
      await ann.destroy();
      await ann.close();
      const again = await store.open('ann');
      same(
        await again.transact({ schema: true }, ({ meta, schema }) => ({ result: [meta, schema] })),
        [null, null],
        'meta',
      );
      same((await again.readTable('things')).size, 0, 'rows');
      await again.close();
    },
  },
];

function same(actual: unknown, expected: unknown, what: string): void {
  const [left, right] = [JSON.stringify(sorted(actual)), JSON.stringify(sorted(expected))];
  if (left !== right) throw new Error(`${what}: ${left} instead of ${right}`);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]): [string, unknown] => [key, sorted(inner)]);
  return Object.fromEntries(entries.toSorted(([left], [right]) => (left < right ? -1 : 1)));
}
