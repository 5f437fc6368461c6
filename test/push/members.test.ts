import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PushChange, PushResult } from '../../lib/engine/push/push-change.js';
import type { ResolvedMembers } from '../../lib/registry/sync-table.js';
import { OwnerWritePolicy, PerTableWritePolicy, WritePolicy, type WriteQuestion } from '../../lib/index.js';
import { ACCESSES, change, only, type PushFixture, pushFixture } from '../support/push-fixture.js';
import { ALICE, BOB } from '../support/push-tables.js';
import { createTableSql, owned, readOnly } from '../support/schema-fixtures.js';

const CAROL = 'cccccccc-0000-4000-8000-000000000003';

const OF_LISTS: ResolvedMembers = {
  column: 'id',
  sql: '"public"."list_members"',
  teamColumn: 'list_id',
  userColumn: 'user_id',
  userType: 'uuid',
  writers: [['can_edit', ['true']]],
  owner: true,
  bucketPrefix: 'list_members:',
};

const OF_TEAMS: ResolvedMembers = {
  column: 'team_id',
  sql: '"public"."team_members"',
  teamColumn: 'team_id',
  userColumn: 'member',
  userType: 'text',
  writers: [['role', ['editor', 'admin']]],
  owner: false,
  bucketPrefix: 'team_members:',
};

const SERVER_OWNED = ['id', 'updated_at', 'deleted_at'];

const TABLES = [
  // A list, which its owner shares.
  owned('lists', { members: OF_LISTS }),
  readOnly('items', {
    pushPolicy: 'owner_only',
    parent: 'lists',
    parentFkColumn: 'list_id',
    protectedColumns: new Set([...SERVER_OWNED, 'list_id']),
    depth: 1,
  }),
  // A team's, who has made them or not.
  owned('projects', { members: OF_TEAMS, bucketByColumn: 'team_id', bucketPrefix: 'team_members:' }),
  // A user's own, or a team's besides.
  owned('notes', { members: { ...OF_TEAMS, owner: true } }),
  // Nobody's but a team's.
  readOnly('boards', {
    pushPolicy: 'owner_only',
    members: OF_TEAMS,
    bucketByColumn: 'team_id',
    bucketPrefix: 'team_members:',
  }),
];

const DDL = [
  createTableSql('lists', 'user_id uuid NOT NULL, title text'),
  createTableSql('items', 'list_id uuid NOT NULL REFERENCES lists, title text'),
  'CREATE TABLE list_members (list_id uuid, user_id uuid, can_edit boolean NOT NULL, PRIMARY KEY (list_id, user_id))',
  createTableSql('projects', 'user_id text NOT NULL, team_id text, title text'),
  createTableSql('notes', 'user_id text NOT NULL, team_id text, title text'),
  createTableSql('boards', 'team_id text, title text'),
  'CREATE TABLE team_members (team_id text, member text, role text, PRIMARY KEY (team_id, member))',
];

const REFUSED = { accepted: false, status: 'rejected_terminal' };
const APPLIED = { status: 'applied' };

describe.each(ACCESSES)('members, as %s', (access) => {
  let push: PushFixture;
  let list: string;

  beforeAll(async () => {
    push = await pushFixture(TABLES, DDL, access);
  });
  afterAll(() => push.close());
  beforeEach(async () => {
    await push.db.query('TRUNCATE list_members, team_members, lists, items, projects, notes, boards');
    list = randomUUID();
    await push.db.query(`INSERT INTO lists (id, user_id, title) VALUES ($1, $2, 'old')`, [list, ALICE]);
  });

  const share = (user: string, canEdit: boolean): Promise<unknown> =>
    push.db.query(
      `INSERT INTO list_members VALUES ($1, $2, $3) ON CONFLICT (list_id, user_id) DO UPDATE SET can_edit = EXCLUDED.can_edit`,
      [list, user, canEdit],
    );
  const join = (user: string, team: string, role: string): Promise<unknown> =>
    push.db.query('INSERT INTO team_members VALUES ($1, $2, $3)', [team, user, role]);
  const leave = (user: string): Promise<unknown> =>
    push.db.query('DELETE FROM team_members WHERE member = $1', [user]);

  async function insert(table: string, user: string, team: string): Promise<string> {
    const id = randomUUID();
    await push.db.query(`INSERT INTO ${table} (id, user_id, team_id, title) VALUES ($1, $2, $3, 'old')`, [
      id,
      user,
      team,
    ]);
    return id;
  }

  async function titleOf(table: string, id: string): Promise<unknown> {
    return (await push.db.query(`SELECT title FROM ${table} WHERE id = $1`, [id]))[0]?.['title'];
  }

  const one = (user: string, asked: PushChange): Promise<PushResult> =>
    push.pushOne(user, asked, {
      buckets: [`user:${user}`, 'global', 'team_members:red', 'team_members:blue'],
    });

  const setTitle = (): PushChange => change('update', 'lists', list, { title: 'new' });

  describe('of a list', () => {
    it('write it, and what belongs to it, like its owner', async () => {
      await share(BOB, true);
      const item = randomUUID();
      const results = await push.push(BOB, [
        setTitle(),
        change('create', 'items', item, { list_id: list, title: 'x' }),
        change('update', 'items', item, { title: 'y' }),
        change('delete', 'items', item),
        change('delete', 'lists', list),
      ]);
      expect(results).toMatchObject(Array.from({ length: 5 }, () => APPLIED));
      const [row] = await push.db.query('SELECT user_id, title, deleted_at FROM lists');
      expect(row).toMatchObject({ user_id: ALICE, title: 'new', deleted_at: expect.any(Date) });
      expect(await titleOf('items', item)).toBe('y');
    });

    it('who only read it do not, and are told what they see', async () => {
      await share(BOB, false);
      await push.addEdge('lists', list, `list_members:${list}`);
      const options = { buckets: [`user:${BOB}`, `list_members:${list}`] };
      const result = await push.pushOne(BOB, setTitle(), options);
      expect(result).toMatchObject({ ...REFUSED, reason_code: 'ownership_violation' });
      expect(JSON.parse(result.server_version ?? '{}')).toMatchObject({ id: list, data: { title: 'old' } });
      const item = change('create', 'items', randomUUID(), { list_id: list });
      expect(await push.pushOne(BOB, item, options)).toMatchObject(REFUSED);
    });

    it('who are none any more find nothing there [W-WRITE-6]', async () => {
      await share(BOB, true);
      expect(await one(BOB, setTitle())).toMatchObject(APPLIED);
      await push.db.query('DELETE FROM list_members');
      for (const operation of ['update', 'delete', 'create']) {
        const result = await one(BOB, change(operation, 'lists', list, { title: 'forged' }));
        expect(result).toMatchObject(REFUSED);
        expect(result.server_version).toBeUndefined();
      }
      expect(await titleOf('lists', list)).toBe('new');
    });

    it('who lose their right while they wait for the row do not write it [W-WRITE-6]', async () => {
      await share(BOB, true);
      const result = await push.whileOpen(
        async (manager) => {
          await manager.query('SELECT FROM lists FOR UPDATE');
          await manager.query('UPDATE list_members SET can_edit = false');
        },
        () => one(BOB, setTitle()),
      );
      expect(result).toMatchObject(REFUSED);
      expect(await titleOf('lists', list)).toBe('old');
    });

    it('who have moved on find no child, either', async () => {
      await share(BOB, true);
      const item = randomUUID();
      await one(BOB, change('create', 'items', item, { list_id: list, title: 'x' }));
      await push.db.query('DELETE FROM list_members');
      expect(await one(BOB, change('update', 'items', item, { title: 'forged' }))).toMatchObject({
        ...REFUSED,
        reason_code: 'record_not_found',
      });
      expect(await one(BOB, change('create', 'items', randomUUID(), { list_id: list }))).toMatchObject({
        ...REFUSED,
        reason_code: 'parent_missing',
      });
    });

    it("a create is the user's own, whatever owner the device names [W-WRITE-2]", async () => {
      const id = randomUUID();
      await one(BOB, change('create', 'lists', id, { title: 'mine', user_id: ALICE }));
      expect(await push.db.query('SELECT user_id FROM lists WHERE id = $1', [id])).toEqual([
        { user_id: BOB },
      ]);
    });
  });

  describe('of a team', () => {
    it('write its rows by their role', async () => {
      await join(BOB, 'red', 'editor');
      await join(CAROL, 'red', 'viewer');
      const project = await insert('projects', ALICE, 'red');
      const update = change('update', 'projects', project, { title: 'new' });
      expect(await one(CAROL, update)).toMatchObject(REFUSED);
      expect(await one(BOB, update)).toMatchObject(APPLIED);
      expect(await titleOf('projects', project)).toBe('new');
    });

    it('who have left it lose what they have made, where the owner does not count [W-WRITE-6]', async () => {
      const project = await insert('projects', BOB, 'red');
      const note = await insert('notes', BOB, 'red');
      expect(await one(BOB, change('update', 'projects', project, { title: 'x' }))).toMatchObject({
        ...REFUSED,
        reason_code: 'record_not_found',
      });
      expect(await one(BOB, change('delete', 'projects', project))).toMatchObject(REFUSED);
      expect(await one(BOB, change('update', 'notes', note, { title: 'x' }))).toMatchObject(APPLIED);
    });

    it.each(['projects', 'boards', 'notes'])(
      'make %s in teams that they write for, and in no other [W-WRITE-7]',
      async (table) => {
        await join(BOB, 'red', 'admin');
        await join(BOB, 'blue', 'viewer');
        const create = (team: string | null): Promise<PushResult> =>
          one(BOB, change('create', table, randomUUID(), { team_id: team, title: 'x' }));
        expect(await create('red')).toMatchObject(APPLIED);
        for (const team of ['blue', 'green'])
          expect(await create(team)).toMatchObject({ ...REFUSED, reason_code: 'ownership_violation' });
        // A note of no team is its owner's.
        expect(await create(null)).toMatchObject(table === 'notes' ? APPLIED : REFUSED);
        const teamless = await one(BOB, change('create', table, randomUUID(), { title: 'x' }));
        expect(teamless).toMatchObject(table === 'notes' ? APPLIED : REFUSED);
        const teams = await push.db.query(`SELECT DISTINCT team_id FROM ${table} ORDER BY 1`);
        expect(teams.map(({ team_id }) => team_id)).toEqual(table === 'notes' ? ['red', null] : ['red']);
      },
    );

    it.each(['projects', 'notes'])(
      'move %s between teams only if they write for both [W-WRITE-7]',
      async (table) => {
        await join(BOB, 'red', 'editor');
        await join(BOB, 'blue', 'viewer');
        const row = await insert(table, ALICE, 'red');
        const move = (id: string, team: string | null): Promise<PushResult> =>
          one(BOB, change('update', table, id, { team_id: team, title: 'moved' }));
        for (const team of ['blue', 'green'])
          expect(await move(row, team)).toMatchObject({ ...REFUSED, reason_code: 'ownership_violation' });
        const foreign = await insert(table, ALICE, 'green');
        expect(await move(foreign, 'red')).toMatchObject({ ...REFUSED, reason_code: 'record_not_found' });
        expect([await titleOf(table, row), await titleOf(table, foreign)]).toEqual(['old', 'old']);
        await push.db.query(`UPDATE team_members SET role = 'editor'`);
        expect(await move(row, 'blue')).toMatchObject(APPLIED);
      },
    );

    it('the owner of a note changes it where it is, also in a team that they have left', async () => {
      const note = await insert('notes', BOB, 'red');
      const update = (team: string | null): Promise<PushResult> =>
        one(BOB, change('update', 'notes', note, { team_id: team, title: 'new' }));
      expect(await update('red')).toMatchObject(APPLIED);
      expect(await update('blue')).toMatchObject(REFUSED);
      expect(await update(null)).toMatchObject(APPLIED);
    });

    it("a former member's queue of edits costs no other user's anything", async () => {
      await join(BOB, 'red', 'editor');
      const project = await insert('projects', ALICE, 'red');
      await leave(BOB);
      const mine = randomUUID();
      const results = await push.push(BOB, [
        change('update', 'projects', project, { title: 'forged' }),
        change('create', 'projects', randomUUID(), { team_id: 'red', title: 'forged' }),
        change('create', 'lists', mine, { title: 'mine' }),
      ]);
      expect(results).toMatchObject([REFUSED, REFUSED, APPLIED]);
      expect(await push.db.query(`SELECT FROM projects WHERE title = 'forged'`)).toEqual([]);
    });

    it('are found by a UUID in capitals, and by no other name in capitals', async () => {
      await join(BOB.toUpperCase(), 'red', 'editor');
      await join('EVE', 'red', 'editor');
      const project = await insert('projects', ALICE, 'red');
      const update = change('update', 'projects', project, { title: 'new' });
      expect(await one('eve', update)).toMatchObject(REFUSED);
      expect(await one(BOB, update)).toMatchObject(APPLIED);
    });

    it("an id that the user column can't hold is no member, and no error", async () => {
      expect(only(await push.push('no uuid', [change('delete', 'lists', list)]))).toMatchObject({
        reason_code: 'record_not_found',
      });
    });
  });

  it("a write policy hears what the members' rule says", async () => {
    const asked: unknown[] = [];
    class Watching extends WritePolicy {
      override decide({ changes }: WriteQuestion): readonly boolean[] {
        asked.push(...changes.map(({ operation, byDefault }) => [operation, byDefault]));
        return changes.map(({ byDefault }) => byDefault);
      }
    }
    await join(BOB, 'red', 'editor');
    await join(BOB, 'blue', 'viewer');
    const policy = new PerTableWritePolicy({ projects: new Watching() }, new OwnerWritePolicy());
    const project = await insert('projects', ALICE, 'red');
    const results = await push.push(
      BOB,
      [
        change('create', 'projects', randomUUID(), { team_id: 'red', title: 'x' }),
        change('create', 'projects', randomUUID(), { team_id: 'blue', title: 'x' }),
        change('update', 'projects', project, { team_id: 'red', title: 'x' }),
        change('update', 'projects', project, { team_id: 'blue', title: 'x' }),
      ],
      { policy },
    );
    expect(results).toMatchObject([APPLIED, REFUSED, APPLIED, REFUSED]);
    expect(asked).toEqual([
      ['create', true],
      ['create', false],
      ['update', true],
      ['update', false],
    ]);
  });
});
