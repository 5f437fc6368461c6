import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { logOwnStatements } from '../../../lib/database/query-log/query-log.js';
import type { PushChange, PushResult } from '../../../lib/engine/push/push-change.js';
import { createTableSql, owned } from '../../support/schema-fixtures.js';
import { change, fromNow, type PushFixture, pushFixture, sortedIds } from '../../support/push-fixture.js';
import { ALICE } from '../../support/push-tables.js';

let push: PushFixture;
let statements = 0;

beforeAll(async () => {
  push = await pushFixture(
    [owned('tasks')],
    [
      createTableSql(
        'tasks',
        `user_id uuid, title text CHECK (title <> 'bad'), priority integer, small smallint, big bigint, at date, body text`,
      ),
    ],
  );
  // Every statement of TypeORM's passes its logger.
  logOwnStatements(push.dataSource);
  push.dataSource.setOptions({
    logger: {
      logQuery: () => {
        statements += 1;
      },
      logQueryError: () => undefined,
      logQuerySlow: () => undefined,
      logSchemaBuild: () => undefined,
      logMigration: () => undefined,
      log: () => undefined,
    },
  });
});
afterAll(() => push.close());

const bad = (id: string, data: object): PushChange => change('create', 'tasks', id, { title: 'x', ...data });

async function counted(work: () => Promise<readonly PushResult[]>): Promise<number> {
  const before = statements;
  await work();
  return statements - before;
}

it.each([
  ['priority', '99999999999'],
  ['priority', '"-99999999999"'],
  ['small', '40000.0e0'],
  ['small', '-32769'],
  ['big', '9223372036854775808'],
])('integers beyond their column (%s: %s) cost no statement each [W-HOST-35]', async (column, value) => {
  const ids = sortedIds(400);
  const changes = ids.map((id, index) =>
    change('create', 'tasks', id, `{"title":"x","${column}":${index === 7 ? 5 : value}}`),
  );
  const many = await counted(() => push.push(ALICE, changes));
  expect(many).toBeLessThan(40);
  const results = await push.push(ALICE, changes);
  expect(results.map(({ status, reason_code }) => reason_code ?? status)).toEqual(
    ids.map((_, index) => (index === 7 ? 'applied' : 'invalid_data')),
  );
});

it.each([
  [300, 'a check refuses', { title: 'bad' }],
  [2_000, "their column can't hold", { at: 'never' }],
])(
  'a device gets through with %i records that %s, in few pushes of bounded work [W-HOST-35]',
  async (size, _, data) => {
    const ids = sortedIds(size);
    const good = new Set(ids.filter((_id, index) => index % 150 === 75));
    let open = ids;
    const work: number[] = [];
    while (open.length > 0) {
      if (work.length === 8) throw new Error('the device is held up');
      let results: readonly PushResult[] = [];
      const changes = open.map((id) => bad(id, good.has(id) ? {} : data));
      work.push(await counted(async () => (results = await push.push(ALICE, changes))));
      const again = new Set(results.flatMap(({ id, status }) => (status === 'rejected_retryable' ? id : [])));
      expect(again.size).toBeLessThan(open.length);
      open = open.filter((id) => again.has(id));
    }
    expect(Math.max(...work)).toBeLessThan(7_500);
    const rows = await push.db.query('SELECT id FROM tasks WHERE id = ANY($1) ORDER BY id', [ids]);
    expect(rows.map(({ id }) => id)).toEqual([...good].toSorted());
  },
);

it("an answer has a bound in bytes: what it doesn't carry is redelivered by a pull [W-HOST-36]", async () => {
  const [id, other] = [randomUUID(), randomUUID()];
  const body = randomBytes(75_000).toString('base64');
  await push.push(ALICE, [bad(id, { body }), bad(other, { body: 'short' })]);
  const stale = { at: fromNow(-3_600_000), base: fromNow(-7_200_000) };
  const changes = Array.from({ length: 1_000 }, (_, n) =>
    change('update', 'tasks', n === 999 ? other : id, { title: `t ${n}` }, stale),
  );
  const unrepaired: string[] = [];
  const results = await push.push(ALICE, changes, { maxPageBytes: 1_000_000, unrepaired });
  expect(new Set(results.map(({ status }) => status))).toEqual(new Set(['conflict']));
  const bytes = Buffer.byteLength(JSON.stringify(results));
  expect(bytes).toBeLessThan(1_500_000);
  expect(results[0]?.server_version).toContain(body.slice(0, 100));
  expect(results.at(-1)?.server_version).toBeUndefined();
  expect(unrepaired.toSorted()).toEqual([id, other].toSorted());
});
