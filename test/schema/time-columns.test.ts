import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { updateTriggerSql } from '../../lib/schema/update-trigger.js';
import type { SyncTable } from '../../lib/registry/sync-table.js';
import { describeProblem } from '../../lib/common/errors.js';
import { owned, readOnly, schemaFixture, type SchemaFixture } from '../support/schema-fixtures.js';

let fixture: SchemaFixture;

beforeAll(async () => {
  fixture = await schemaFixture();
  await fixture.db.query('CREATE TABLE bare (id uuid PRIMARY KEY, user_id text NOT NULL)');
  await fixture.db.query(
    `CREATE TABLE timed (id uuid PRIMARY KEY, user_id text NOT NULL,
       updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz)`,
  );
});
afterAll(() => fixture.close());

async function problems(table: SyncTable): Promise<readonly string[]> {
  const { problems: found } = await fixture.service(table).check();
  return found.map(describeProblem);
}

function what(name: string, decorator: string): string {
  return (
    `timed: ${name}: "public"."timed" has this column, but its entity has not, so that sync would not know this time; ` +
    `add it to the entity: ${decorator}({ name: '${name}', type: 'timestamptz' }); or rename the column`
  );
}

const TIMELESS = { updatedAtColumn: null, deletedAtColumn: null };

describe('the times of a table', () => {
  it('are not needed where devices only read', async () => {
    expect(await problems(readOnly('bare', TIMELESS))).toEqual([]);
  });

  it('a delete time is not needed where they write', async () => {
    await fixture.db.query('ALTER TABLE bare ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now()');
    expect(await problems(owned('bare', { deletedAtColumn: null }))).toEqual([]);
    await fixture.db.query('ALTER TABLE bare DROP COLUMN updated_at');
  });

  it('an update time is, and what is said can be pasted [W-HOST-67]', async () => {
    const table = owned('bare', TIMELESS);
    const statement =
      'ALTER TABLE "public"."bare" ADD COLUMN "updated_at" timestamptz NOT NULL DEFAULT now()';
    const trigger = updateTriggerSql(table, 'updated_at');
    expect(await problems(table)).toEqual([
      'bare: updatedAtColumn: devices write this table, which takes an update time, and it has none; ' +
        `${statement}; and @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' }) in the entity; ` +
        `where rows are updated in SQL as well, besides: ${trigger}; ` +
        `a table that devices only read needs none: pushPolicy: 'disabled'`,
    ]);

    await fixture.db.query(`${statement}; ${trigger}`);
    await fixture.db.query(
      `INSERT INTO bare VALUES ('6f0e0c0a-2a3b-4c5d-8e9f-000000000001', 'alice', '2020-01-01')`,
    );
    const moved = await fixture.db.query(
      `UPDATE bare SET user_id = 'bob' RETURNING updated_at > '2020-01-02' AS moved`,
    );
    expect(moved).toEqual([{ moved: true }]);
    expect(await problems(owned('bare', { deletedAtColumn: null }))).toEqual([]);
  });

  it('that the table has, and the entity has not, keep the app from starting, and from nothing else [W-HOST-68]', async () => {
    const table = owned('timed', { deletedAtColumn: null });
    expect(await problems(table)).toEqual([what('deleted_at', '@DeleteDateColumn')]);
    expect(await problems(readOnly('timed', TIMELESS))).toEqual([
      what('updated_at', '@UpdateDateColumn'),
      what('deleted_at', '@DeleteDateColumn'),
    ]);
    const { tables } = await fixture.service(table).current();
    expect(tables.get('timed')?.virtualColumns).toEqual([]);
  });

  it('that differ by case alone from another column are refused', async () => {
    await fixture.db.query('CREATE TABLE cased (id uuid PRIMARY KEY, "Deleted_At" text)');
    expect(await problems(readOnly('cased', TIMELESS))).toEqual([
      expect.stringContaining('Deleted_At and deleted_at are one name to SQLite'),
    ]);
  });
});
