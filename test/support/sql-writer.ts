import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import { withClient } from './client.js';
import type { Random } from './random.js';
import { eventually, pause } from './wait.js';

/** Longest pause between two transactions, in milliseconds. */
const PACE = 40;
/** After this many transactions it looks where the changelog is. */
const MARK_EVERY = 40;
/** Marks by which it may be ahead of the changelog. */
const MARKS_AHEAD = 2;
/** Above this many rows in a pool, some are deleted. */
const POOL = 150;

/**
 * Writes to the sample app's tables past sync, as the host's own code would, until it is told to stop. It waits when
 * the changelog is far behind: a test is about what happens, not about how much a machine can do.
 */
export class SqlWriter {
  transactions = 0;
  /** Tasks without comments, which may move and go as they like. */
  private readonly plain: string[] = [];
  private readonly parents: string[] = [];
  private readonly shared: string[] = [];
  private readonly comments: string[] = [];
  private readonly tags: string[] = [];
  /** Categories of its own that it has not seen in the changelog yet. */
  private readonly marks: string[] = [];
  private stopping = false;
  private connected = false;

  constructor(
    private readonly url: string,
    private readonly users: readonly string[],
    private readonly random: Random,
    /** A task that several writers change. */
    private readonly contended: string,
  ) {}

  stop(): void {
    this.stopping = true;
  }

  async run(): Promise<void> {
    await withClient(this.url, async (client) => {
      this.connected = true;
      client.once('end', () => (this.connected = false));
      while (!this.stopping) {
        await client.query('BEGIN');
        // Now and then several kinds of change in one transaction, on the same rows, too.
        for (let left = this.random.below(6) === 0 ? 5 : 1; left > 0; left--) await this.change(client);
        const rolledBack = this.random.below(20) === 0;
        await client.query(rolledBack ? 'ROLLBACK' : 'COMMIT');
        this.transactions += 1;
        if (this.transactions % MARK_EVERY === 0) await this.keepNear(client);
        // The pace of the load, not a wait for anything.
        await pause(this.random.below(PACE));
      }
    });
  }

  private async keepNear(client: Client): Promise<void> {
    const mark = randomUUID();
    await client.query(`INSERT INTO categories (id, name) VALUES ($1, 'mark')`, [mark]);
    this.marks.push(mark);
    if (this.marks.length <= MARKS_AHEAD) return;
    const earlier = this.marks.shift();
    await eventually(
      async () => {
        // The next statement tells.
        if (!this.connected) return true;
        const { rows } = await client.query(
          `SELECT FROM sync_bucket_edges WHERE table_name = 'categories' AND record_id = $1`,
          [earlier],
        );
        return rows.length > 0 || this.stopping;
      },
      { timeout: 120_000 },
    );
  }

  private async change(client: Client): Promise<void> {
    const run = (sql: string, ...values: readonly unknown[]): Promise<unknown> =>
      client.query(sql, [...values]);
    const { random } = this;
    const few = (pool: readonly string[]): readonly string[] => random.some(pool, 1 + random.below(3));
    const all = [...this.plain, ...this.parents, ...this.shared];
    const table = random.pick(['tasks', 'tasks', 'comments', 'tags'] as const);
    const pool = { tasks: all, comments: this.comments, tags: this.tags }[table];
    switch (random.below(18)) {
      case 0:
      case 1:
        return this.insertTasks(run, this.plain, 1 + random.below(3));
      case 2:
        await this.insertTasks(run, this.parents, 1);
        return this.insertComments(run, this.parents.slice(-1), 3);
      case 3:
        return this.insertComments(run, few([...this.parents, ...this.shared]), 1);
      case 4:
        await this.insertTags(run, 2);
        return;
      case 5:
        await run('INSERT INTO categories (name) VALUES ($1)', this.text());
        return;
      case 6:
      case 7:
      case 8:
        await run(
          `UPDATE ${table} SET ${TEXT[table]} = $2, updated_at = now() WHERE id = ANY($1::uuid[])`,
          few(pool),
          this.text(),
        );
        return;
      case 9: // updated_at does not move
        await run(
          `UPDATE ${table} SET ${TEXT[table]} = $2 WHERE id = ANY($1::uuid[])`,
          few(pool),
          this.text(),
        );
        return;
      case 10:
      case 11:
        await run(
          `UPDATE ${table} SET deleted_at = now(), updated_at = now() WHERE id = ANY($1::uuid[])`,
          few(pool),
        );
        return;
      case 12:
      case 13: // also updates what is live, and leaves what is deleted as it is
        await run(
          `UPDATE ${table} SET deleted_at = NULL, updated_at = now() WHERE id = ANY($1::uuid[])`,
          few(pool),
        );
        return;
      case 14:
        return this.deleteSome(run);
      case 15:
        await run(
          'UPDATE tasks SET user_id = $2, updated_at = now() WHERE id = ANY($1::uuid[])',
          few(this.plain),
          random.pick(this.users),
        );
        return;
      case 16:
        return this.share(run);
      default:
        if (random.below(16) === 0) return this.changeHundreds(run);
        await run(
          'UPDATE tasks SET title = $2, updated_at = now() WHERE id = $1',
          this.contended,
          this.text(),
        );
    }
  }

  private async insertTasks(run: Run, pool: string[], count: number): Promise<void> {
    const ids = Array.from({ length: count }, () => randomUUID());
    pool.push(...ids);
    await run(
      'INSERT INTO tasks (id, user_id, title) SELECT id, $2, $3 FROM unnest($1::uuid[]) AS t (id)',
      ids,
      this.random.pick(this.users),
      this.text(),
    );
  }

  private async insertComments(run: Run, taskIds: readonly string[], each: number): Promise<void> {
    const tasks = taskIds.flatMap((id) => Array.from({ length: each }, () => id));
    const ids = tasks.map(() => randomUUID());
    this.comments.push(...ids);
    // Some of the pool were deleted, or never committed.
    await run(
      `INSERT INTO comments (id, task_id, body)
       SELECT c.id, tasks.id, $3 FROM unnest($1::uuid[], $2::uuid[]) AS c (id, task_id) JOIN tasks ON tasks.id = task_id`,
      ids,
      tasks,
      this.text(),
    );
  }

  private async insertTags(run: Run, count: number): Promise<void> {
    for (let left = count; left > 0; left--) {
      const id = randomUUID();
      this.tags.push(id);
      const owner = this.random.pick([...this.users, null]);
      await run('INSERT INTO tags (id, user_id, name) VALUES ($1, $2, $3)', id, owner, this.text());
    }
  }

  /** Hard deletes; comments go with their tasks. */
  private async deleteSome(run: Run): Promise<void> {
    for (const [pool, table] of [
      [this.plain, 'tasks'],
      [this.parents, 'tasks'],
      [this.shared, 'tasks'],
      [this.comments, 'comments'],
      [this.tags, 'tags'],
    ] as const) {
      const gone = pool.splice(0, Math.max(1, pool.length - POOL));
      await run(`DELETE FROM ${table} WHERE id = ANY($1::uuid[])`, gone);
    }
  }

  private async share(run: Run): Promise<void> {
    if (this.shared.length < 10 || this.random.below(3) === 0) {
      await this.insertTasks(run, this.shared, 1);
      await this.insertComments(run, this.shared.slice(-1), 2);
    }
    const task = this.random.pick(this.shared);
    const user = this.random.pick(this.users);
    if (this.random.below(2) === 0) {
      await run(
        `INSERT INTO task_shares SELECT id, $2 FROM tasks WHERE id = $1 ON CONFLICT DO NOTHING`,
        task,
        user,
      );
    } else {
      await run('DELETE FROM task_shares WHERE task_id = $1 AND shared_with_user_id = $2', task, user);
    }
  }

  private async changeHundreds(run: Run): Promise<void> {
    const count = 300 + this.random.below(300);
    const title = this.text();
    await run(
      'INSERT INTO tasks (user_id, title) SELECT $1, $2 FROM generate_series(1, $3::int)',
      this.random.pick(this.users),
      title,
      count,
    );
    await run('UPDATE tasks SET priority = 1, updated_at = clock_timestamp() WHERE title = $1', title);
    // Most are gone again, in the same transaction.
    await run('DELETE FROM tasks WHERE title = $1 AND get_byte(uuid_send(id), 0) > 20', title);
  }

  private text(): string {
    return `text ${this.random.below(2 ** 31)}`;
  }
}

type Run = (sql: string, ...values: readonly unknown[]) => Promise<unknown>;

const TEXT = { tasks: 'title', comments: 'body', tags: 'name' } as const;
