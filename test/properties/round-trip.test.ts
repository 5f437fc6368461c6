import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/wait.js';
import { anyRow, type Cell, COLUMNS, TYPES } from './columns.js';
import { holds, RUNS, SEED, TIMEOUT } from './runs.js';
import { SdkDevice, type SdkRecord } from './sdk-device.js';
import { startTypedApp, type TypedApp } from './typed-app.js';

const ROWS = 4;
const LONG_AGO = '2000-01-01T00:00:00Z';
let typed: TypedApp;

beforeAll(async () => {
  typed = await startTypedApp();
  console.info(`PROPERTY_SEED=${SEED} PROPERTY_RUNS=${RUNS}`);
});
afterAll(() => typed.close());

const anyRows = fc
  .array(anyRow, { minLength: ROWS, maxLength: ROWS })
  .map((rows) => new Map(rows.map((row) => [randomUUID() as string, row])));

async function withDevices(
  kinds: readonly ('Kotlin' | 'Swift')[],
  work: (user: string, ...devices: SdkDevice[]) => Promise<void>,
): Promise<void> {
  const user = randomUUID();
  const devices: SdkDevice[] = [];
  try {
    for (const kind of kinds) devices.push(await SdkDevice.start(typed.app.url, user, kind, 'things'));
    await work(user, ...devices);
  } finally {
    for (const device of devices) device.close();
  }
}

/** Pulls until the rows are there. */
async function pulled(device: SdkDevice, ids: readonly string[]): Promise<ReadonlyMap<string, SdkRecord>> {
  const found = new Map<string, SdkRecord>();
  let fault: unknown;
  await eventually(async () => {
    // What an SDK can't read stays so.
    const records = await device.pull().catch((error: unknown) => ((fault = error), []));
    for (const record of records) found.set(record.id, record);
    return fault !== undefined || ids.every((id) => found.has(id));
  });
  if (fault !== undefined) throw fault;
  return found;
}

interface CreateOptions {
  readonly at?: string;
  readonly note?: string;
  /** Index of the only column to send. */
  readonly only?: number;
}

function createJson(id: string, cells: readonly Cell[], options: CreateOptions = {}): string {
  const { at = new Date().toISOString(), note = 'first', only } = options;
  const values = cells.flatMap(({ json }, index) =>
    json === undefined || (only !== undefined && index !== only) ? [] : [`"c${index}":${json}`],
  );
  return (
    `{"id":"${id}","table_name":"things","operation":"create","data":{${[`"note":"${note}"`, ...values].join(',')}},` +
    `"client_updated_at":"${at}","base_updated_at":null}`
  );
}

/** For a row that was refused: the columns that are refused by themselves. */
async function refusedColumns(device: SdkDevice, cells: readonly Cell[]): Promise<readonly string[]> {
  const ids = cells.map(() => randomUUID() as string);
  const { rejected } = await device.push(ids.map((id, only) => createJson(id, cells, { only })));
  const refused = new Set(rejected.map(({ id }) => id));
  return cells.flatMap(({ json }, index) =>
    refused.has(ids[index] ?? '') ? [`${TYPES[index]?.type}: ${json}`] : [],
  );
}

/** For a create that was sent again and refused: the columns that were not recognised. */
async function unrecognised(
  device: SdkDevice,
  id: string,
  cells: readonly Cell[],
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [only, { json }] of cells.entries()) {
    const { rejected } = await device.push([createJson(id, cells, { at: LONG_AGO, only })]);
    if (rejected.length > 0) found.push(`${TYPES[only]?.type}: ${json}`);
  }
  return found;
}

/** For a retry that was taken for a conflict: the columns that were not recognised. */
async function unrecognisedValue(device: SdkDevice, id: string): Promise<readonly string[]> {
  const found: string[] = [];
  const columns = [
    ...COLUMNS,
    ...['note', 'number', 'shout', 'user_id'].map((name) => ({ name, type: name })),
  ];
  for (const { name, type } of columns) {
    const change = device.update(id, 'update', name);
    const { rejected } = await device.push([change]);
    if (rejected.length > 0) found.push(`${type}: ${change.slice(0, 300)}`);
  }
  return found;
}

describe('scenario 104: a value of every type', { timeout: TIMEOUT }, () => {
  it('that a device pushes arrives as it was, by pull, by snapshot and in a conflict [W-DATA-1]', async () => {
    await holds(anyRows, (rows) =>
      withDevices(['Kotlin', 'Swift'], async (user, sender, reader) => {
        const ids = [...rows.keys()];
        const changes = [...rows].map(([id, cells]) => createJson(id, cells));
        const { rejected } = await sender.push(changes);
        for (const { id } of rejected) expect(await refusedColumns(sender, rows.get(id) ?? [])).toEqual([]);
        expect(rejected.map(({ reason_code }) => reason_code)).toEqual([]);

        const sent = new Map(
          [...rows].map(([id, cells]) => [
            id,
            cells.map((cell) => (cell.json === undefined ? { ...cell, text: null } : cell)),
          ]),
        );
        await typed.insert('expected', user, sent);
        expect(await typed.differences(ids)).toEqual([]);

        // The answer was lost.
        const retried = await sender.push(changes);
        for (const { id } of retried.rejected)
          expect(await unrecognised(sender, id, rows.get(id) ?? [])).toEqual([]);
        expect(retried.rejected.map(({ reason_code }) => reason_code)).toEqual([]);

        const byPull = await pulled(reader, ids);
        const bySnapshot = new Map((await reader.snapshot()).map((record) => [record.id, record]));
        const again = await sender.push(
          [...rows].map(([id, cells]) => createJson(id, cells, { at: LONG_AGO, note: 'second' })),
        );
        const byConflict = new Map(again.records.map((record) => [record.id, record]));
        for (const id of ids) {
          expect(await typed.wireDifferences(id, byPull.get(id)?.text ?? '')).toEqual([]);
          expect(bySnapshot.get(id)?.text).toBe(byPull.get(id)?.text);
          expect(byConflict.get(id)?.text).toBe(byPull.get(id)?.text);
        }
      }),
    );
  });

  it.each(['Kotlin', 'Swift'] as const)(
    'that a %s device only keeps is not changed by an edit beside it',
    async (sdk) => {
      await holds(anyRows, (rows) =>
        withDevices([sdk], async (user, device) => {
          const ids = [...rows.keys()];
          await typed.insert('things', user, rows);
          await typed.insert('expected', user, rows);
          await pulled(device, ids);
          for (const id of ids) device.edit(id, 'note', 'second');
          const changes = ids.map((id) => device.update(id));

          const first = await device.push(changes);
          expect(first.rejected.map(({ reason_code }) => reason_code)).toEqual([]);
          expect(await typed.differences(ids)).toEqual([]);

          // The answer was lost.
          const second = await device.push(changes);
          for (const { id } of second.rejected) expect(await unrecognisedValue(device, id)).toEqual([]);
          expect(second.rejected.map(({ status }) => status)).toEqual([]);
          const times = await typed.db.query('SELECT id, note FROM things WHERE id = ANY ($1::uuid[])', [
            ids,
          ]);
          expect(times.every(({ note }) => note === 'second')).toBe(true);
          expect(await typed.differences(ids)).toEqual([]);
        }),
      );
    },
  );

  it('of a megabyte arrives as it was, and stays so', async () => {
    await withDevices(['Kotlin', 'Swift'], async (_, sender, reader) => {
      const long = 'é😀"\\\n'.repeat(120_000);
      // A device parses and prints these in the server's own process.
      const part = long.slice(0, 60_000);
      const id = randomUUID();
      const cells = TYPES.map(({ type, notNull }): Cell => {
        if (notNull) return { text: '{}', json: '{}' };
        if (type === 'text') return { text: long, json: JSON.stringify(long) };
        if (type === 'jsonb') return { text: JSON.stringify({ part }), json: JSON.stringify({ part }) };
        if (type === 'text[]') return { text: null, json: JSON.stringify([part]) };
        return { text: null, json: undefined };
      });
      const { accepted } = await sender.push([createJson(id, cells)]);
      expect(accepted.map(({ status }) => status)).toEqual(['applied']);
      const record = (await pulled(reader, [id])).get(id);
      const values = TYPES.flatMap(({ type, notNull }, index) =>
        ['text', 'jsonb', 'text[]'].includes(type) && !notNull ? [record?.data[`c${index}`]] : [],
      );
      expect(values).toEqual([long, { part }, [part]]);

      reader.edit(id, 'note', 'second');
      const edited = await reader.push([reader.update(id)]);
      expect(edited.accepted.map(({ status }) => status)).toEqual(['applied']);
      const again = new Map((await reader.snapshot()).map((record) => [record.id, record.data]));
      const changed = { note: 'second', shout: 'SECOND', updated_at: again.get(id)?.['updated_at'] };
      expect(again.get(id)).toEqual({ ...record?.data, ...changed });
    });
  });
});
