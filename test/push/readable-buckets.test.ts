import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PushChange, PushResult } from '../../lib/engine/push/push-change.js';
import { createTableSql, owned, readOnly } from '../support/schema-fixtures.js';
import { ACCESSES, change, only, type PushFixture, pushFixture } from '../support/push-fixture.js';
import { ALICE, BOB } from '../support/push-tables.js';

const SERVER_OWNED = ['id', 'updated_at', 'deleted_at', 'user_id'];
const byTeam = { bucketByColumn: 'team_id', bucketPrefix: 'team:' };

const TABLES = [
  owned('projects', byTeam),
  readOnly('jobs', {
    pushPolicy: 'owner_only',
    parent: 'projects',
    parentFkColumn: 'project_id',
    protectedColumns: new Set(['id', 'updated_at', 'deleted_at', 'project_id']),
    depth: 1,
  }),
  // In their project's buckets, and in one of the project's own.
  readOnly('remarks', {
    pushPolicy: 'owner_only',
    parent: 'projects',
    parentFkColumn: 'project_id',
    bucketByColumn: 'project_id',
    bucketPrefix: 'project:',
    protectedColumns: new Set(['id', 'updated_at', 'deleted_at', 'project_id']),
    depth: 1,
  }),
  // Without a prefix of its own, a project's key names a user's bucket.
  readOnly('replies', {
    pushPolicy: 'owner_only',
    parent: 'projects',
    parentFkColumn: 'project_id',
    bucketByColumn: 'project_id',
    bucketPrefix: 'user:',
    protectedColumns: new Set(['id', 'updated_at', 'deleted_at', 'project_id']),
    depth: 1,
  }),
  owned('assignments', { bucketByColumn: 'assignee', bucketPrefix: 'user:' }),
  owned('letters', { bucketByColumn: 'recipient', bucketPrefix: 'user:', writeBuckets: 'any' }),
  owned('polls', { ...byTeam, globalWhenBucketNull: true, allowGlobalRead: true }),
  owned('moved', { ...byTeam, protectedColumns: new Set([...SERVER_OWNED, 'team_id']) }),
  owned('diaries'),
];

const DDL = [
  createTableSql('projects', 'user_id uuid NOT NULL, team_id text, name text UNIQUE'),
  createTableSql('jobs', 'project_id uuid NOT NULL REFERENCES projects, name text'),
  createTableSql('remarks', 'project_id uuid NOT NULL REFERENCES projects, name text'),
  createTableSql('replies', 'project_id uuid NOT NULL REFERENCES projects, name text'),
  createTableSql('assignments', 'user_id uuid NOT NULL, assignee text, name text'),
  createTableSql('letters', 'user_id uuid NOT NULL, recipient text'),
  createTableSql('polls', 'user_id uuid NOT NULL, team_id text'),
  createTableSql('moved', 'user_id uuid NOT NULL, team_id text, wanted text'),
  createTableSql('diaries', 'user_id uuid NOT NULL, name text'),
  `CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN UPDATE moved SET team_id = NEW.wanted WHERE id = NEW.id AND team_id IS DISTINCT FROM NEW.wanted; RETURN NULL; END'`,
  'CREATE TRIGGER move AFTER INSERT OR UPDATE ON moved FOR EACH ROW EXECUTE FUNCTION move()',
];

const READS_RED = { buckets: [`user:${ALICE}`, 'global', 'team:red'] };

describe.each(ACCESSES)('a row goes only into buckets that its writer reads, pushed as %s', (access) => {
  let push: PushFixture;
  let id: string;

  beforeAll(async () => {
    push = await pushFixture(TABLES, DDL, access);
  });
  afterAll(() => push.close());
  beforeEach(() => {
    id = randomUUID();
  });

  const create = (table: string, data: object, options = {}): Promise<PushResult> =>
    push.pushOne(ALICE, change('create', table, id, data), options);
  const stored = async (table: string): Promise<readonly Record<string, unknown>[]> =>
    push.db.query(`SELECT * FROM ${table} WHERE id = $1`, [id]);
  const insertProject = async (team: string | null, deletedAt: string | null = null): Promise<void> => {
    await push.db.query(
      `INSERT INTO projects (id, user_id, team_id, deleted_at, updated_at) VALUES ($1, $2, $3, $4, now() - interval '1 hour')`,
      [id, ALICE, team, deletedAt],
    );
  };

  const REFUSED = { accepted: false, status: 'rejected_terminal', reason_code: 'bucket_not_readable' };

  it.each([
    ['projects', { team_id: 'red' }],
    ['polls', { team_id: 'red' }],
    ['assignments', { assignee: BOB }],
    ['assignments', { assignee: BOB.toUpperCase() }],
  ])('refuses a create in %s with %j [W-LOAD-17]', async (table, data) => {
    expect(await create(table, data)).toMatchObject(REFUSED);
    expect(await stored(table)).toEqual([]);
  });

  it.each([
    ['a team that the user reads', 'projects', { team_id: 'red' }],
    ['no bucket at all', 'projects', { team_id: null }],
    ['global, where the table allows it', 'polls', { team_id: null }],
    ['the own bucket', 'assignments', { assignee: ALICE }],
    ['the own bucket, in capitals', 'assignments', { assignee: ALICE.toUpperCase() }],
    ['any bucket where the host says so', 'letters', { recipient: BOB }],
    ["the owner's", 'diaries', { name: 'x' }],
  ])('takes a create into %s', async (_, table, data) => {
    expect(await create(table, data, READS_RED)).toMatchObject({ status: 'applied' });
    expect(await stored(table)).toHaveLength(1);
  });

  it("tells nothing of the buckets of another's row under the same id [W-HOST-91]", async () => {
    const answers: unknown[] = [];
    for (const team of ['red', 'blue', null]) {
      id = randomUUID();
      await push.db.query('INSERT INTO projects (id, user_id, team_id) VALUES ($1, $2, $3)', [id, BOB, team]);
      answers.push({ ...(await create('projects', { team_id: 'red' }, READS_RED)), id: '' });
    }
    expect(answers[0]).toMatchObject({ reason_code: 'ownership_violation' });
    expect(answers).toEqual([answers[0], answers[0], answers[0]]);
  });

  it("takes what is the owner's also from a user whose SubscriptionResolver leaves that bucket out", async () => {
    expect(await create('diaries', { name: 'x' }, { buckets: [] })).toMatchObject({ status: 'applied' });
  });

  it('refuses an update that moves a row into a bucket of others, and gives the row back [W-LOAD-17]', async () => {
    await insertProject('red');
    const moved = await push.pushOne(ALICE, change('update', 'projects', id, { team_id: 'blue' }), READS_RED);
    expect(moved).toMatchObject(REFUSED);
    expect(JSON.parse(moved.server_version ?? '')).toMatchObject({ data: { team_id: 'red' } });
    expect(await stored('projects')).toMatchObject([{ team_id: 'red' }]);
  });

  it('takes an update that leaves the row in the bucket that it is in, read or not, or takes it out', async () => {
    await insertProject('blue');
    const renamed = change('update', 'projects', id, { team_id: 'blue', name: id });
    expect(await push.pushOne(ALICE, renamed)).toMatchObject({ status: 'applied' });
    const out = change('update', 'projects', id, { team_id: null });
    expect(await push.pushOne(ALICE, out)).toMatchObject({ status: 'applied' });
    expect(await stored('projects')).toMatchObject([{ team_id: null, name: id }]);
  });

  it('takes a delete, and refuses to bring a row back where its user reads no more [W-LOAD-17]', async () => {
    await insertProject('red');
    expect(await push.pushOne(ALICE, change('delete', 'projects', id))).toMatchObject({ status: 'applied' });
    const back = change('create', 'projects', id, { team_id: 'red' });
    expect(await push.pushOne(ALICE, back)).toMatchObject(REFUSED);
    expect(await push.pushOne(ALICE, back, READS_RED)).toMatchObject({ status: 'applied' });
  });

  it("refuses a child that would come into its parent's bucket, and takes it where that is read [W-LOAD-17]", async () => {
    await insertProject('red');
    const child = change('create', 'jobs', randomUUID(), { project_id: id });
    expect(await push.pushOne(ALICE, child)).toMatchObject(REFUSED);
    expect(await push.pushOne(ALICE, child, READS_RED)).toMatchObject({ status: 'applied' });
  });

  it("takes a child into the bucket that its parent's key names, to which nobody has to be subscribed", async () => {
    await insertProject(null);
    const child = change('create', 'remarks', randomUUID(), { project_id: id });
    expect(await push.pushOne(ALICE, child)).toMatchObject({ status: 'applied' });
  });

  it("refuses it where that key is a user's id, and the prefix users' [W-LOAD-17]", async () => {
    id = BOB;
    await insertProject(null);
    const child = change('create', 'replies', randomUUID(), { project_id: BOB });
    expect(await push.pushOne(ALICE, child)).toMatchObject(REFUSED);
    await push.db.query('DELETE FROM projects WHERE id = $1', [BOB]);
  });

  it('goes by the row as it stands when triggers are done [W-LOAD-17]', async () => {
    expect(await create('moved', { wanted: 'red' })).toMatchObject(REFUSED);
    expect(await create('moved', { wanted: 'red' }, READS_RED)).toMatchObject({ status: 'applied' });
    const away = change('update', 'moved', id, { wanted: 'blue' });
    expect(await push.pushOne(ALICE, away, READS_RED)).toMatchObject(REFUSED);
    expect(await stored('moved')).toMatchObject([{ team_id: 'red', wanted: 'red' }]);
  });

  it('costs the other changes of the push nothing, bad ones among them neither', async () => {
    const ids = Array.from({ length: 60 }, () => randomUUID());
    const results = await push.push(ALICE, ids.map(mixedProject), READS_RED);
    const reasons = results.map(({ status, reason_code }) => reason_code ?? status);
    // The first of a name is taken; where both are wrong, either reason will do.
    expect(reasons).toEqual(
      ids.map((_, index) =>
        index % 3 === 0
          ? expect.stringMatching(index % 5 === 0 && index > 0 ? /^create_failed$|^bucket_/ : /^bucket_/)
          : index % 5 === 0 && index > 5
            ? 'create_failed'
            : 'applied',
      ),
    );
  });

  it('holds for a child that was parked until its parent came [W-LOAD-17]', async () => {
    const child = change('create', 'jobs', randomUUID(), { project_id: id });
    expect(await push.pushOne(ALICE, child)).toMatchObject({ status: 'applied' });
    expect(await create('projects', { team_id: 'red' }, READS_RED)).toMatchObject({ status: 'applied' });
    expect(await push.db.query('SELECT FROM jobs WHERE project_id = $1', [id])).toHaveLength(1);
    const [other, orphan] = [randomUUID(), change('create', 'jobs', randomUUID(), { project_id: id })];
    await push.db.query('INSERT INTO projects (id, user_id, team_id) VALUES ($1, $2, $3)', [
      other,
      ALICE,
      'red',
    ]);
    expect(only(await push.push(ALICE, [orphan]))).toMatchObject(REFUSED);
  });
});

/** Every third goes to a team that isn't read, every fifth has the same name. */
function mixedProject(id: string, index: number): PushChange {
  return change('create', 'projects', id, {
    name: index % 5 === 0 ? 'same' : id,
    team_id: index % 3 === 0 ? 'blue' : 'red',
  });
}
