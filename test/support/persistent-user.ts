import type { TestDatabase } from './database.js';
import { Device, RetryableRejectionError, SyncHttpError } from './device.js';
import type { Random } from './random.js';
import { pause } from './wait.js';

/** Between two edits, and between two tries. */
const PACE = 60;

export interface PersistentUserOptions {
  /** Starts the app again after a 404 or a 409, instead of failing. Default: false. */
  readonly startsAgain?: boolean;
}

/** Someone who works on and on, whose device does what the SDKs do when there is no answer: the same again later. */
export class PersistentUser {
  readonly device: Device;
  /** What the user last made of each row that nobody else changes, by table and id; null: deleted. */
  readonly work = { tasks: new Map<string, string | null>(), comments: new Map<string, string | null>() };
  /** Requests that had to be sent again. */
  unanswered = 0;
  /** How often the app had to start again, since the server did not know the device or had another schema. */
  restarts = 0;
  private readonly taskOf = new Map<string, string>();
  private stopping = false;

  constructor(
    url: string,
    readonly name: string,
    private readonly random: Random,
    private readonly options: PersistentUserOptions = {},
  ) {
    this.device = new Device(url, name, undefined, { pageSize: 500 });
  }

  stop(): void {
    this.stopping = true;
  }

  async run(): Promise<void> {
    this.stopping = false;
    while (!this.stopping) {
      this.edit();
      await this.untilAnswered(() => this.device.sync());
      await pause(PACE);
    }
  }

  /** Repeats it while the server is away, or asks to come back. */
  async untilAnswered(request: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        await request();
        return;
      } catch (error) {
        const away = error instanceof TypeError || error instanceof RetryableRejectionError;
        const status = error instanceof SyncHttpError ? error.status : 0;
        if (this.options.startsAgain === true && (status === 404 || status === 409)) {
          this.restarts += 1;
          await this.untilAnswered(() => this.device.start());
        } else if (!away && status !== 503) throw error;
        this.unanswered += 1;
      }
      await pause(PACE);
    }
  }

  addTask(title: string): string {
    const id = this.device.create('tasks', { title });
    this.work.tasks.set(id, title);
    return id;
  }

  /** Edits what has been pushed; a delete comes alone. */
  private edit(): void {
    const { device, random, work } = this;
    const tasks = living(work.tasks);
    const comments = living(work.comments).filter((id) => tasks.includes(this.taskOf.get(id) ?? ''));
    if (tasks.length > 10 && random.below(4) === 0) {
      const task = random.pick(tasks);
      device.delete('tasks', task);
      work.tasks.set(task, null);
      return;
    }
    for (let left = 1 + random.below(5); left > 0; left--) {
      const text = `${this.name} ${random.below(2 ** 31)}`;
      const kind = tasks.length === 0 ? 0 : random.below(4);
      if (kind === 0) {
        this.addTask(text);
      } else if (kind === 1) {
        const task = random.pick(tasks);
        const comment = device.create('comments', { task_id: task, body: text });
        this.taskOf.set(comment, task);
        work.comments.set(comment, text);
      } else {
        const [table, ids] =
          kind === 2 && comments.length > 0 ? (['comments', comments] as const) : (['tasks', tasks] as const);
        const id = random.pick(ids);
        device.update(table, id, { [table === 'tasks' ? 'title' : 'body']: text });
        work[table].set(id, text);
      }
    }
  }
}

function living(work: ReadonlyMap<string, string | null>): readonly string[] {
  return [...work].filter(([, text]) => text !== null).map(([id]) => id);
}

/** Rows that are not what their user last made of them, though every push was answered. */
export async function lostWork(
  database: TestDatabase,
  { work }: PersistentUser,
  table: 'tasks' | 'comments',
): Promise<readonly unknown[]> {
  const text = { tasks: 'title', comments: 'body' }[table];
  return database.query(
    `SELECT work.id, work.text AS made, ${text} AS found
       FROM unnest($1::uuid[], $2::text[]) AS work (id, text)
       LEFT JOIN ${table} t ON t.id = work.id AND t.deleted_at IS NULL
      WHERE ${text} IS DISTINCT FROM work.text`,
    [[...work[table].keys()], [...work[table].values()]],
  );
}
