import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WritePolicy, type WriteAnswer, type WriteQuestion } from '../../lib/index.js';
import { inTransaction } from '../../lib/database/session.js';
import type { PushResult } from '../../lib/engine/push/push-change.js';
import { change, only, type PushFixture, pushFixture, serverVersion } from '../support/push-fixture.js';
import { ALICE, BOB } from '../support/push-tables.js';
import { owned, readOnly } from '../support/schema-fixtures.js';

/** Tables without a delete time: notes with lines, which go with their note, and pins, which keep it. */
const TABLES = [
  owned('notes', { deletedAtColumn: null, protectedColumns: new Set(['id', 'user_id', 'updated_at']) }),
  readOnly('lines', {
    pushPolicy: 'owner_only',
    parent: 'notes',
    parentFkColumn: 'note_id',
    deletedAtColumn: null,
    protectedColumns: new Set(['id', 'note_id', 'updated_at']),
    depth: 1,
  }),
  owned('pins', { deletedAtColumn: null, protectedColumns: new Set(['id', 'user_id', 'updated_at']) }),
];

const COLUMNS = 'id uuid PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()';
const DDL = [
  `CREATE TABLE notes (${COLUMNS}, user_id uuid NOT NULL, text text)`,
  `CREATE TABLE lines (${COLUMNS}, note_id uuid NOT NULL REFERENCES notes ON DELETE CASCADE, body text)`,
  // RESTRICT is checked at once, for each row.
  `CREATE TABLE pins (${COLUMNS}, user_id uuid NOT NULL, note_id uuid REFERENCES notes ON DELETE RESTRICT,
     next_id uuid REFERENCES pins ON DELETE RESTRICT)`,
];

describe.each(['superuser', 'bound pool', 'pushRole'] as const)(
  'without a delete time, by a %s',
  (access) => {
    let push: PushFixture;
    let note: string;

    beforeAll(async () => {
      push = await pushFixture(TABLES, DDL, access);
    });
    afterAll(() => push.close());
    beforeEach(() => {
      note = randomUUID();
    });

    const insertNote = (user: string, id = note): Promise<unknown> =>
      push.db.query('INSERT INTO notes (id, user_id, text) VALUES ($1, $2, $3)', [id, user, 'first']);
    const exists = async (table: string, id: string): Promise<boolean> =>
      (await push.db.query(`SELECT FROM ${table} WHERE id = $1`, [id])).length > 0;

    it('a delete removes the row, and says when [W-HOST-54]', async () => {
      await insertNote(ALICE);
      const result = await push.pushOne(ALICE, change('delete', 'notes', note));
      expect(result).toMatchObject({ accepted: true, status: 'applied' });
      expect(Date.parse(result.server_deleted_at ?? '')).toBeGreaterThan(Date.now() - 60_000);
      expect(await exists('notes', note)).toBe(false);
    });

    it('the retry of a delete is accepted, and the host hears of the delete once [W-HOST-55]', async () => {
      await insertNote(ALICE);
      const heard: unknown[] = [];
      const hooks = {
        onPushAccepted: ({ accepted }: { readonly accepted: readonly unknown[] }) => {
          heard.push(...accepted);
        },
      };
      await push.pushOne(ALICE, change('delete', 'notes', note), { hooks });
      expect(await push.pushOne(ALICE, change('delete', 'notes', note), { hooks })).toMatchObject({
        accepted: true,
        status: 'applied',
        reason_code: 'already_deleted',
      });
      expect(heard).toHaveLength(1);
    });

    it("another user's row stays, and is answered like none [W-HOST-56]", async () => {
      await insertNote(BOB);
      const [hidden, none] = await push.push(ALICE, [
        change('delete', 'notes', note),
        change('delete', 'notes', randomUUID()),
      ]);
      expect({ ...hidden, id: '' }).toEqual({ ...none, id: '' });
      expect(await exists('notes', note)).toBe(true);

      await push.addEdge('notes', note, `user:${ALICE}`);
      const seen = await push.pushOne(ALICE, change('delete', 'notes', note));
      expect(seen).toMatchObject({ status: 'rejected_terminal', reason_code: 'ownership_violation' });
      expect(serverVersion(seen).data).toMatchObject({ text: 'first', deleted_at: null });
      expect(await exists('notes', note)).toBe(true);
    });

    it.runIf(access === 'superuser')(
      "a policy lets a user remove another's row that the user sees [W-HOST-56]",
      async () => {
        await insertNote(BOB);
        await push.addEdge('notes', note, `user:${ALICE}`);
        const policy = new (class extends WritePolicy {
          override decide({ changes }: WriteQuestion): readonly WriteAnswer[] {
            return changes.map(() => true);
          }
        })();
        const result = await push.pushOne(ALICE, change('delete', 'notes', note), { policy });
        expect(result).toMatchObject({ status: 'applied', server_deleted_at: expect.any(String) });
        expect(await exists('notes', note)).toBe(false);
      },
    );

    it('an update of a row that is gone finds none', async () => {
      const result = await push.pushOne(ALICE, change('update', 'notes', note, { text: 'second' }));
      expect(result).toMatchObject({ status: 'rejected_terminal', reason_code: 'record_not_found' });
    });

    it('an undelete is a new create', async () => {
      await insertNote(ALICE);
      await push.pushOne(ALICE, change('delete', 'notes', note));
      const result = await push.pushOne(ALICE, change('create', 'notes', note, { text: 'again' }));
      expect(result).toMatchObject({ accepted: true, status: 'applied' });
      expect(only(await push.db.query('SELECT text FROM notes WHERE id = $1', [note]))).toEqual({
        text: 'again',
      });
    });

    it('the changes of one record follow each other within a push [W-HOST-57]', async () => {
      await insertNote(ALICE);
      const results = await push.push(ALICE, [
        change('update', 'notes', note, { text: 'second' }),
        change('delete', 'notes', note),
        change('delete', 'notes', note),
        change('update', 'notes', note, { text: 'third' }),
        change('create', 'notes', note, { text: 'fourth' }),
        change('update', 'notes', note, { text: 'fifth' }),
      ]);
      expect(results.map(({ reason_code, status }) => reason_code ?? status)).toEqual([
        'applied',
        'applied',
        'already_deleted',
        'record_not_found',
        'applied',
        'applied',
      ]);
      expect(only(await push.db.query('SELECT text FROM notes WHERE id = $1', [note]))).toEqual({
        text: 'fifth',
      });
    });

    it('children that went with their parent are gone for later changes of the push [W-HOST-58]', async () => {
      const line = randomUUID();
      await insertNote(ALICE);
      await push.db.query('INSERT INTO lines (id, note_id, body) VALUES ($1, $2, $3)', [line, note, 'one']);
      const results = await push.push(ALICE, [
        change('update', 'lines', line, { body: 'two' }),
        change('delete', 'notes', note),
        change('update', 'lines', line, { body: 'three' }),
        change('delete', 'lines', line),
      ]);
      expect(results.map(({ reason_code, status }) => reason_code ?? status)).toEqual([
        'applied',
        'applied',
        'record_not_found',
        'already_deleted',
      ]);
      expect(results.some(({ server_version: version }) => version !== undefined)).toBe(false);
    });

    it('a child cannot be made under a parent that the push has removed', async () => {
      await insertNote(ALICE);
      const line = randomUUID();
      await push.push(ALICE, [
        change('update', 'notes', note, { text: 'second' }),
        change('delete', 'notes', note),
        change('create', 'lines', randomUUID(), { note_id: note, body: 'before' }),
        change('delete', 'lines', line),
        change('create', 'lines', line, { note_id: note, body: 'after' }),
      ]);
      expect(await exists('lines', line)).toBe(false);
      expect(await exists('notes', note)).toBe(false);
    });

    it('a row that others refer to stays, and its device has it back [W-HOST-59]', async () => {
      await insertNote(ALICE);
      const pin = randomUUID();
      await push.db.query('INSERT INTO pins (id, user_id, note_id) VALUES ($1, $2, $3)', [pin, BOB, note]);
      const other = randomUUID();
      await insertNote(ALICE, other);
      const [kept, removed] = await push.push(ALICE, [
        change('delete', 'notes', note),
        change('delete', 'notes', other),
      ]);
      expect(kept).toMatchObject({
        status: 'rejected_terminal',
        reason_code: 'delete_failed',
        message: 'other records still refer to this one',
      });
      expect(serverVersion(kept as never)).toMatchObject({ id: note, data: { text: 'first' } });
      expect(removed).toMatchObject({ accepted: true });
      expect(await exists('notes', other)).toBe(false);
    });

    it('rows that refer to each other go in whatever order they come [W-HOST-60]', async () => {
      const ids = Array.from({ length: 9 }, () => randomUUID());
      await insertNote(ALICE);
      for (const [index, id] of ids.entries())
        await push.db.query('INSERT INTO pins (id, user_id, note_id, next_id) VALUES ($1, $2, $3, $4)', [
          id,
          ALICE,
          note,
          ids[index - 1] ?? null,
        ]);
      const results = await push.push(ALICE, [
        change('delete', 'notes', note),
        ...ids.map((id) => change('delete', 'pins', id)),
      ]);
      expect(results.map(({ status, message }) => message ?? status)).toEqual(results.map(() => 'applied'));
      expect(await exists('notes', note)).toBe(false);
    });

    it('a trigger that keeps the row gives it back to its device', async () => {
      await insertNote(ALICE);
      await push.db.query(
        `CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
      );
      await push.db.query('CREATE TRIGGER keep BEFORE DELETE ON notes FOR EACH ROW EXECUTE FUNCTION keep()');
      const result = await push.pushOne(ALICE, change('delete', 'notes', note));
      await push.db.query('DROP FUNCTION keep CASCADE');
      // Where policies bind, it may have been one of them.
      const reason = access === 'superuser' ? 'delete_failed' : 'ownership_violation';
      expect(result).toMatchObject({ status: 'rejected_terminal', reason_code: reason });
      expect(serverVersion(result)).toMatchObject({ id: note });
    });

    it('a writer who is making a child of the row is waited for, without a deadlock [W-HOST-61]', async () => {
      await insertNote(ALICE);
      let pushed: Promise<readonly PushResult[]> | undefined;
      await push.whileOpen(
        async (manager) => {
          await manager.query('INSERT INTO lines (id, note_id) VALUES ($1, $2)', [randomUUID(), note]);
          pushed = inTransaction(push.dataSource, 'write', (own) =>
            push.apply(own, ALICE, [change('delete', 'notes', note)]),
          );
          await push.waiting(1);
          await manager.query(`UPDATE notes SET text = 'counted' WHERE id = $1`, [note]);
        },
        async () => pushed,
      );
      expect(await pushed).toMatchObject([{ accepted: true }]);
      expect(await exists('notes', note)).toBe(false);
    });
  },
);
