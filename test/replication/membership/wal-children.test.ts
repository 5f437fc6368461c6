import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { consumerWaits, withPausedConsumer } from '../../support/consumer.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { applied, edgesOf, inOneTransaction, logOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('boards')
@SyncTable({ ownerColumn: 'user_id' })
class Board extends SyncedRow {
  @Column('text', { name: 'user_id', nullable: true })
  userId!: string | null;
}

@Entity('lists')
@SyncTable({ parent: () => Board, parentFkColumn: 'board_id' })
class List extends SyncedRow {
  @Column('uuid', { name: 'board_id' })
  boardId!: string;
}

@Entity('cards')
@SyncTable({ parent: () => List, parentFkColumn: 'list_id' })
class Card extends SyncedRow {
  @Column('uuid', { name: 'list_id' })
  listId!: string;
}

@Entity('notes')
@SyncTable({
  parent: () => Card,
  bucketByColumn: 'card_id',
  bucketPrefix: 'card:',
  parentFkColumn: 'card_id',
})
class Note extends SyncedRow {
  @Column('uuid', { name: 'card_id' })
  cardId!: string;
}

@Entity('lists')
@SyncTable({ parent: () => NestedList, parentFkColumn: 'board_id', ownerColumn: 'board_id' })
class NestedList extends SyncedRow {
  @Column('uuid', { name: 'board_id' })
  boardId!: string;
}

type Ids = [string, string, string, string, string];

/** Rows per batch: small, so that a transaction of a few rows already comes in pieces. */
const BATCH = 4;

function insertBoard(id: string, user: string | null): string {
  return `INSERT INTO boards (id, user_id) VALUES ('${id}', ${user === null ? 'NULL' : `'${user}'`})`;
}

function give(board: string, user: string): string {
  return `UPDATE boards SET user_id = '${user}' WHERE id = '${board}'`;
}

function insertList(id: string, board: string): string {
  return `INSERT INTO lists (id, board_id) VALUES ('${id}', '${board}')`;
}

function touchList(id: string): string {
  return `UPDATE lists SET updated_at = now() WHERE id = '${id}'`;
}

function insertCard(id: string, list: string): string {
  return `INSERT INTO cards (id, list_id) VALUES ('${id}', '${list}')`;
}

function insertNote(id: string, card: string): string {
  return `INSERT INTO notes (id, card_id) VALUES ('${id}', '${card}')`;
}

function insertMarks(count: number): string {
  return `INSERT INTO marks (id) SELECT gen_random_uuid() FROM generate_series(1, ${count})`;
}

describe('children', () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('boards', 'user_id text'));
    await database.query(createTableSql('lists', 'board_id uuid NOT NULL'));
    await database.query(
      createTableSql('cards', 'list_id uuid NOT NULL REFERENCES lists DEFERRABLE INITIALLY DEFERRED'),
    );
    await database.query(createTableSql('notes', 'card_id uuid NOT NULL'));
    app = await startWalApp(database, [Board, List, Card, Note], {
      replication: { batchRows: BATCH, maxBatchRows: BATCH },
    });
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  async function waiting(recordId: string): Promise<number> {
    return (await database.query('SELECT FROM sync_waiting_rows WHERE record_id = $1', [recordId])).length;
  }

  async function commit(...statements: string[]): Promise<void> {
    await inOneTransaction(database, ...statements);
    await applied(database);
  }

  it('that come before their parent in a transaction get its buckets [interleaving 7]', async () => {
    const [board, list, card] = [randomUUID(), randomUUID(), randomUUID()];
    await commit(insertCard(card, list), insertList(list, board), insertBoard(board, 'alice'));
    expect(await edgesOf(database, 'cards', card)).toEqual(['user:alice']);
    expect(await logOf(database, 'cards', card)).toEqual(['create user:alice']);
    expect(await edgesOf(database, 'lists', list)).toEqual(['user:alice']);
    expect(await waiting(card)).toBe(0);
  });

  it('that come before their parent in a transaction of several batches get its buckets [interleaving 7]', async () => {
    const [board, list, card] = [randomUUID(), randomUUID(), randomUUID()];
    await commit(
      insertCard(card, list),
      insertMarks(2 * BATCH),
      insertList(list, board),
      insertMarks(2 * BATCH),
      insertBoard(board, 'alice'),
      insertMarks(BATCH),
    );
    expect(await edgesOf(database, 'cards', card)).toEqual(['user:alice']);
    expect(await logOf(database, 'cards', card)).toEqual(['create user:alice']);
    expect(await waiting(card)).toBe(0);
  });

  it('that come in an earlier transaction than their parent wait for it [interleaving 7]', async () => {
    const [board, list, note, card] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    await commit(insertNote(note, card));
    expect(await edgesOf(database, 'notes', note)).toEqual([`card:${card}`]);
    await commit(insertList(list, board));
    expect(await waiting(list)).toBe(1);
    expect(await logOf(database, 'lists', list)).toEqual([]);
    await commit(insertCard(card, list));
    expect(await waiting(card)).toBe(1);

    await commit(insertBoard(board, 'alice'));
    expect(await edgesOf(database, 'lists', list)).toEqual(['user:alice']);
    expect(await edgesOf(database, 'cards', card)).toEqual(['user:alice']);
    expect(await edgesOf(database, 'notes', note)).toEqual([`card:${card}`, 'user:alice']);
    for (const id of [list, card, note]) expect(await waiting(id)).toBe(0);
  });

  it('that wait for a parent without buckets are released when it gets some [interleaving 7]', async () => {
    const [board, list] = [randomUUID(), randomUUID()];
    await commit(insertBoard(board, null), insertList(list, board));
    expect(await edgesOf(database, 'lists', list)).toEqual([]);
    await commit(`UPDATE boards SET user_id = 'alice' WHERE id = '${board}'`);
    expect(await edgesOf(database, 'lists', list)).toEqual(['user:alice']);
  });

  it('that move under a parent that is not there yet, in the batch in which they came, wait for it', async () => {
    const [here, there, list] = [randomUUID(), randomUUID(), randomUUID()];
    await commit(
      insertBoard(here, 'alice'),
      insertList(list, here),
      `UPDATE lists SET board_id = '${there}' WHERE id = '${list}'`,
    );
    expect(await waiting(list)).toBe(1);
    await commit(insertBoard(there, 'bob'));
    expect(await edgesOf(database, 'lists', list)).toEqual(['user:bob']);
    expect(await waiting(list)).toBe(0);
  });

  it('that waited and have moved by now do not reach users who had their new parent before [interleaving 9]', async () => {
    const [board, other, list] = [1, 2, 3].map(() => randomUUID()) as Ids;
    await commit(insertBoard(board, null), insertBoard(other, 'alice'), insertList(list, board));
    await withPausedConsumer(database, async () => {
      await inOneTransaction(database, give(board, 'carol'));
      await consumerWaits(database);
      await inOneTransaction(database, give(other, 'bob'));
      await inOneTransaction(database, `UPDATE lists SET board_id = '${other}' WHERE id = '${list}'`);
    });
    await applied(database);
    expect(await logOf(database, 'lists', list)).toEqual(['create user:bob']);
  });

  it('that waited and were moved or deleted meanwhile are not released by the former parent', async () => {
    const [here, there, moved, deleted] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    await commit(insertList(moved, here), insertList(deleted, here), insertBoard(there, 'bob'));
    await commit(
      `UPDATE lists SET board_id = '${there}' WHERE id = '${moved}'`,
      `DELETE FROM lists WHERE id = '${deleted}'`,
    );
    await commit(insertBoard(here, 'alice'));
    expect(await edgesOf(database, 'lists', moved)).toEqual(['user:bob']);
    expect(await edgesOf(database, 'lists', deleted)).toEqual([]);
    expect(await logOf(database, 'lists', deleted)).toEqual([]);
  });

  it('are found in the waiting list alone when a parent is new [interleaving 7]', async () => {
    const [board, list] = [randomUUID(), randomUUID()];
    await commit(insertList(list, board));
    await database.query('DELETE FROM sync_waiting_rows WHERE record_id = $1', [list]);
    await commit(insertBoard(board, 'alice'));
    // A scan of the children by foreign key would have found it.
    expect(await edgesOf(database, 'lists', list)).toEqual([]);
  });

  it('follow a parent that moves to another user, at three levels of depth [W-WAL-8]', async () => {
    const alice = new Device(app.url, 'alice');
    const bob = new Device(app.url, 'bob');
    const [board, list, card, note] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    await commit(
      insertBoard(board, 'alice'),
      insertList(list, board),
      insertCard(card, list),
      insertNote(note, card),
    );
    await alice.start();
    await bob.start();
    expect(alice.row('notes', note)).toBeDefined();

    await commit(`UPDATE boards SET user_id = 'bob', updated_at = now() WHERE id = '${board}'`);
    await alice.pull();
    await bob.pull();
    for (const [table, id] of [
      ['boards', board],
      ['lists', list],
      ['cards', card],
      ['notes', note],
    ] as const) {
      expect(await edgesOf(database, table, id)).toContain('user:bob');
      expect(await logOf(database, table, id)).toContain('delete user:alice');
      expect(alice.row(table, id), `alice's ${table}`).toBeUndefined();
      expect(bob.row(table, id), `bob's ${table}`).toBeDefined();
    }
    expect(await edgesOf(database, 'notes', note)).toEqual([`card:${card}`, 'user:bob']);
  });

  it('take their own children along when they move to another parent [W-WAL-8]', async () => {
    const [mine, yours, list, card] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    await commit(insertBoard(mine, 'alice'), insertBoard(yours, 'bob'), insertList(list, mine));
    await commit(insertCard(card, list));
    expect(await edgesOf(database, 'cards', card)).toEqual(['user:alice']);
    await commit(`UPDATE lists SET board_id = '${yours}' WHERE id = '${list}'`);
    expect(await edgesOf(database, 'cards', card)).toEqual(['user:bob']);
    expect(await logOf(database, 'cards', card)).toEqual([
      'create user:alice',
      'delete user:alice',
      'create user:bob',
    ]);
  });

  it('without a constraint lose what they inherited when the parent goes, and have it back when it returns [W-WAL-8]', async () => {
    const [board, list] = [randomUUID(), randomUUID()];
    await commit(insertBoard(board, 'alice'), insertList(list, board));
    await commit(`DELETE FROM boards WHERE id = '${board}'`);
    expect(await edgesOf(database, 'lists', list)).toEqual([]);
    expect(await logOf(database, 'lists', list)).toEqual(['create user:alice', 'delete user:alice']);
    await commit(insertBoard(board, 'bob'));
    expect(await edgesOf(database, 'lists', list)).toEqual(['user:bob']);
  });

  it('are resolved on the state in which a batch leaves their parent [W-OWN-3] [interleaving 7]', async () => {
    const [board, list, card] = [randomUUID(), randomUUID(), randomUUID()];
    await commit(insertBoard(board, 'alice'));
    await commit(
      insertList(list, board),
      insertCard(card, list),
      `UPDATE boards SET user_id = 'bob' WHERE id = '${board}'`,
    );
    for (const [table, id] of [
      ['lists', list],
      ['cards', card],
    ] as const) {
      expect(await edgesOf(database, table, id)).toEqual(['user:bob']);
      expect(await logOf(database, table, id)).toEqual(['create user:bob']);
    }
  });

  it('that come after their parent has moved do not reach users who had it in between [interleaving 9]', async () => {
    const [board, other, list, moved] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    await commit(insertBoard(board, 'alice'), insertBoard(other, 'dave'), insertList(moved, other));
    await applied(database);
    await withPausedConsumer(database, async () => {
      await inOneTransaction(database, `UPDATE boards SET user_id = 'bob' WHERE id = '${board}'`);
      await consumerWaits(database);
      await inOneTransaction(database, `UPDATE boards SET user_id = 'carol' WHERE id = '${board}'`);
      await inOneTransaction(
        database,
        insertList(list, board),
        `UPDATE lists SET board_id = '${board}' WHERE id = '${moved}'`,
      );
    });
    await applied(database);
    expect(await edgesOf(database, 'lists', list)).toEqual(['user:carol']);
    expect(await logOf(database, 'lists', list)).toEqual(['create user:carol']);
    expect(await edgesOf(database, 'lists', moved)).toEqual(['user:carol']);
    expect(await logOf(database, 'lists', moved)).toEqual([
      'create user:dave',
      'delete user:dave',
      'create user:carol',
    ]);
  });

  it('that are gone, or elsewhere, when their parent moves in the same batch do not reach users who get it [interleaving 9]', async () => {
    const [board, other, left, gone, away] = [1, 2, 3, 4, 5].map(() => randomUUID()) as Ids;
    const move = (user: string): string => `UPDATE boards SET user_id = '${user}' WHERE id = '${board}'`;
    await commit(insertBoard(board, 'alice'), insertBoard(other, 'dave'));
    await commit(insertList(left, board), insertList(gone, board), insertList(away, board));
    await commit(touchList(gone), `DELETE FROM lists WHERE id = '${gone}'`, move('bob'));
    expect(await logOf(database, 'lists', gone)).toEqual([
      'create user:alice',
      'update user:alice',
      'delete user:alice',
    ]);
    expect(await edgesOf(database, 'lists', gone)).toEqual([]);
    await commit(
      touchList(away),
      `UPDATE lists SET board_id = '${other}' WHERE id = '${away}'`,
      move('carol'),
    );
    expect((await logOf(database, 'lists', away)).slice(3)).toEqual([
      'update user:bob',
      'delete user:bob',
      'create user:dave',
    ]);
    const brief = randomUUID();
    await commit(insertList(brief, board), `DELETE FROM lists WHERE id = '${brief}'`, move('erin'));
    expect(await logOf(database, 'lists', brief)).toEqual(['create user:carol', 'delete user:carol']);
    expect(await edgesOf(database, 'lists', left)).toEqual(['user:erin']);
  });

  it('that come under a child of a parent that has moved in the same batch do not reach users who had it [interleaving 9]', async () => {
    const [board, other, list, away, card] = [1, 2, 3, 4, 5].map(() => randomUUID()) as Ids;
    await commit(insertBoard(board, 'alice'), insertBoard(other, 'bob'));
    await commit(insertList(list, board), insertList(away, other), insertCard(card, away));
    const note = randomUUID();
    await commit(
      `UPDATE boards SET user_id = 'carol' WHERE id = '${board}'`,
      `UPDATE cards SET list_id = '${list}' WHERE id = '${card}'`,
      insertNote(note, card),
    );
    expect(await logOf(database, 'lists', list)).toEqual([
      'create user:alice',
      'delete user:alice',
      'create user:carol',
    ]);
    expect(await logOf(database, 'cards', card)).toEqual([
      'create user:bob',
      'delete user:bob',
      'create user:carol',
    ]);
    expect((await logOf(database, 'notes', note)).toSorted()).toEqual([
      `create card:${card}`,
      'create user:carol',
    ]);
  });

  it('that are gone by now come into no other bucket, though the log has yet to say so [interleaving 9]', async () => {
    const [board, other, list, away, card] = [1, 2, 3, 4, 5].map(() => randomUUID()) as Ids;
    await commit(insertBoard(board, 'alice'), insertBoard(other, 'bob'));
    await commit(insertList(list, board), insertList(away, other), insertCard(card, list));
    await withPausedConsumer(database, async () => {
      // The move finds no list: it is gone by the time.
      await inOneTransaction(database, `UPDATE boards SET user_id = 'carol' WHERE id = '${other}'`);
      await consumerWaits(database);
      await inOneTransaction(database, `UPDATE cards SET list_id = '${away}' WHERE id = '${card}'`);
      await inOneTransaction(
        database,
        `DELETE FROM cards WHERE id = '${card}'`,
        `DELETE FROM lists WHERE id = '${away}'`,
      );
    });
    await applied(database);
    expect(await logOf(database, 'cards', card)).toEqual(['create user:alice', 'delete user:alice']);
    expect(await edgesOf(database, 'cards', card)).toEqual([]);
  });

  it.each([
    ['', ', updated_at = clock_timestamp()'],
    [', nor is one whose updated_at stays as it was', ''],
  ])(
    'that come to a parent later, from one with the same buckets, do not reach users who had it in between%s [interleaving 9]',
    async (_, stamp) => {
      const [here, there, list, card] = [1, 2, 3, 4].map(() => randomUUID()) as Ids;
      await commit(insertBoard(here, 'alice'), insertBoard(there, 'alice'));
      await commit(insertList(list, here), insertCard(card, list));
      await withPausedConsumer(database, async () => {
        await inOneTransaction(database, give(there, 'bob'));
        await consumerWaits(database);
        await inOneTransaction(database, give(there, 'carol'));
        // By the time at which the log gets to bob, the list is there already.
        await inOneTransaction(
          database,
          `UPDATE lists SET board_id = '${there}'${stamp} WHERE id = '${list}'`,
        );
      });
      await applied(database);
      for (const [table, id] of [
        ['lists', list],
        ['cards', card],
      ] as const) {
        expect(await logOf(database, table, id)).toEqual([
          'create user:alice',
          'delete user:alice',
          'create user:carol',
        ]);
        expect(await edgesOf(database, table, id)).toEqual(['user:carol']);
      }
    },
  );

  it('follow a parent that they came to unseen, from one with the same buckets', async () => {
    const [here, there, list] = [1, 2, 3].map(() => randomUUID()) as Ids;
    await commit(insertBoard(here, 'alice'), insertBoard(there, 'alice'), insertList(list, here));
    await commit(`UPDATE lists SET board_id = '${there}' WHERE id = '${list}'`);
    await commit(give(there, 'bob'));
    expect(await edgesOf(database, 'lists', list)).toEqual(['user:bob']);
    await commit(give(here, 'carol'));
    expect(await edgesOf(database, 'lists', list)).toEqual(['user:bob']);
  });

  it('are no way to what comes under them while they are changed, after their parent has moved [interleaving 9]', async () => {
    const [board, list, card, gone] = [1, 2, 3, 4].map(() => randomUUID()) as Ids;
    await commit(insertBoard(board, 'alice'), insertList(list, board));
    await withPausedConsumer(database, async () => {
      await inOneTransaction(database, give(board, 'bob'));
      await consumerWaits(database);
      await inOneTransaction(database, insertCard(card, list), insertCard(gone, list));
      await inOneTransaction(
        database,
        `UPDATE lists SET updated_at = clock_timestamp() WHERE id = '${list}'`,
      );
      await inOneTransaction(
        database,
        `UPDATE cards SET updated_at = clock_timestamp() WHERE id = '${card}'`,
        `DELETE FROM cards WHERE id = '${gone}'`,
      );
    });
    await applied(database);
    expect(await logOf(database, 'cards', card)).toEqual(['create user:bob', 'update user:bob']);
    expect(await logOf(database, 'cards', gone)).toEqual(['create user:bob', 'delete user:bob']);
  });

  it('can not have their own table as parent [interleaving 7]', async () => {
    await expect(startWalApp(database, [NestedList])).rejects.toThrow(
      /NestedList: parent: NestedList → NestedList is a cycle/,
    );
  });
});
