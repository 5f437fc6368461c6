import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SyncRegistry } from '../../lib/registry/sync-registry.js';
import { ownedSql } from '../../lib/store/host-rows/ownership-sql.js';
import { withClient } from '../support/client.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { createTableSql, owned } from '../support/schema-fixtures.js';

const LISTS = owned('lists', {
  members: {
    column: 'id',
    sql: '"public"."list_members"',
    teamColumn: 'list_id',
    userColumn: 'user_id',
    userType: 'uuid',
    writers: [['can_edit', ['true']]],
    owner: true,
    bucketPrefix: 'list_members:',
  },
});
const EDITOR = randomUUID();

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  await database.query(`${createTableSql('lists', 'user_id uuid NOT NULL, title text')};
    CREATE TABLE list_members (list_id uuid, user_id uuid, can_edit boolean NOT NULL, PRIMARY KEY (list_id, user_id));
    INSERT INTO lists (id, user_id) SELECT gen_random_uuid(), gen_random_uuid() FROM generate_series(1, 2000);
    INSERT INTO list_members SELECT id, '${EDITOR}', true FROM lists`);
  await database.query('VACUUM ANALYZE lists, list_members');
});
afterAll(() => database.drop());

it('the right of a member of thousands of teams is looked up for the rows alone that are written', async () => {
  const owns = ownedSql(new SyncRegistry([LISTS]), LISTS, 't', '$2::text');
  const plan = await withClient(database.url, async (client) => {
    await client.query('SET plan_cache_mode = force_generic_plan');
    await client.query(
      `PREPARE rows_of(uuid[], text) AS SELECT FROM lists AS t WHERE t.id = ANY ($1) AND ${owns}`,
    );
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(
      `EXPLAIN EXECUTE rows_of('{${randomUUID()}}', '${EDITOR}')`,
    );
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  });
  expect(plan).toMatch(/Index (Only )?Scan using list_members_pkey/);
  expect(plan).not.toMatch(/hashed SubPlan|Seq Scan on list_members/);
});
