import {
  createSync,
  SyncError,
  type Observable,
  type Sync,
  type Verdict,
  type Write,
} from 'nestjs-synchro-client';
import { indexedDbStore } from 'nestjs-synchro-client/indexeddb';
import type { Device } from '../shared/devices.js';
import { Value } from '../shared/value.js';
import type { Network } from './network.js';
import type { Comment, Tables, Task } from './tables.js';

/** An edit of this tab's, and what has become of it. */
export interface Edit {
  readonly number: number;
  readonly text: string;
  readonly record: string;
  readonly verdict: Verdict | { readonly status: 'waiting' | 'failed'; readonly message?: string };
}

const KEPT_EDITS = 50;

/** A user's data on a device, open. */
export class Session {
  readonly tasks: Observable<readonly Task[]>;
  readonly comments: Observable<readonly Comment[]>;
  readonly edits = new Value<readonly Edit[]>([]);
  private count = 0;

  constructor(readonly sync: Sync<Tables>) {
    this.tasks = sync.table('tasks').observe({ orderBy: ['created_at', 'id'] });
    this.comments = sync.table('comments').observe({ orderBy: ['created_at', 'id'] });
  }

  addTask(title: string): Promise<void> {
    const id = crypto.randomUUID();
    return this.follow(`New task “${title}”`, id, () => this.sync.table('tasks').create({ id, title }));
  }

  renameTask({ id }: Task, title: string): Promise<void> {
    return this.follow(`Task renamed “${title}”`, id, () => this.sync.table('tasks').update(id, { title }));
  }

  deleteTask({ id, title }: Task): Promise<void> {
    return this.follow(`Task “${title}” deleted`, id, () => this.sync.table('tasks').delete(id));
  }

  addComment(taskId: string, body: string): Promise<void> {
    const id = crypto.randomUUID();
    const values = { id, task_id: taskId, body };
    return this.follow(`New comment “${body}”`, id, () => this.sync.table('comments').create(values));
  }

  deleteComment({ id, body }: Comment): Promise<void> {
    return this.follow(`Comment “${body}” deleted`, id, () => this.sync.table('comments').delete(id));
  }

  /** Makes a refused edit again, on top of the server's version. */
  async retry(key: string, id: string, text: string): Promise<void> {
    await this.follow(text, id, async () => {
      const [write] = await this.sync.rejected.retry(key);
      if (!write) throw new SyncError('nothing_rejected', `"${key}" has nothing to send again`);
      return write;
    });
  }

  /** Resolves when the edit is stored on the device, or can't be; the list has what becomes of it. */
  private async follow(text: string, record: string, write: () => Promise<Write>): Promise<void> {
    const number = (this.count += 1);
    this.put({ number, text, record, verdict: { status: 'waiting' } });
    try {
      const { verdict } = await write();
      void verdict.then((verdict) => this.put({ number, text, record, verdict }));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.put({ number, text, record, verdict: { status: 'failed', message } });
    }
  }

  private put(edit: Edit): void {
    const others = this.edits.get().filter(({ number }) => number !== edit.number);
    this.edits.set([...others, edit].slice(-KEPT_EDITS));
  }
}

/** Opens the device's own store; resolves with its rows in memory, whether the server answers or not. */
export async function openSession({ id, user }: Device, network: Network): Promise<Session> {
  const sync = await createSync<Tables>({
    url: '/sync',
    user,
    // For the app without JWT_SECRET, which believes it: for development only.
    headers: () => ({ 'x-user-id': user }),
    token: tokens(user, network),
    store: indexedDbStore(id),
    platform: 'web',
    fetch: network.fetch,
  });
  await Promise.all([sync.table('tasks').load(), sync.table('comments').load()]);
  return new Session(sync);
}

/** A token is asked for once, and again when the server refuses it. */
function tokens(user: string, network: Network): (request: { readonly refused: boolean }) => Promise<string> {
  let known: string | undefined;
  return async ({ refused }) => {
    if (known !== undefined && !refused) return known;
    const response = await network.fetch('/demo/sign-in', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user }),
    });
    if (!response.ok) throw new Error(`sign-in answered ${response.status}`);
    const { token } = (await response.json()) as { token: string | null };
    known = token ?? '';
    return known;
  };
}
