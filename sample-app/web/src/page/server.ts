import { Value } from '../shared/value.js';
import { api } from './api.js';

export interface ServerTask {
  readonly id: string;
  readonly user: string;
  readonly title: string;
  readonly shares: readonly { readonly user: string; readonly canEdit: boolean }[];
}

/** Whom a task is shared with beside its owner. */
export type Sharing = 'private' | 'read' | 'edit';

/** The tasks as the app's own controller reads and writes them. */
export class Server {
  readonly tasks = new Value<readonly ServerTask[]>([]);
  readonly error = new Value<string | null>(null);
  private asked = 0;

  /** @param onWritten called after each write, whose effects devices hear of by themselves */
  constructor(private readonly onWritten: () => void) {}

  async refresh(): Promise<void> {
    const number = (this.asked += 1);
    const tasks = await api<readonly ServerTask[]>('GET', 'tasks');
    // An answer that was overtaken is older.
    if (number === this.asked) this.tasks.set(tasks);
  }

  add(user: string, title: string): Promise<void> {
    return this.write(() => api('POST', 'tasks', { user, title }));
  }

  rename(id: string, title: string): Promise<void> {
    return this.write(() => api('PATCH', `tasks/${id}`, { title }));
  }

  remove(id: string): Promise<void> {
    return this.write(() => api('DELETE', `tasks/${id}`));
  }

  share(id: string, user: string, sharing: Sharing): Promise<void> {
    return this.write(() =>
      sharing === 'private'
        ? api('DELETE', `tasks/${id}/shares/${user}`)
        : api('PUT', `tasks/${id}/shares`, { user, canEdit: sharing === 'edit' }),
    );
  }

  private async write(request: () => Promise<unknown>): Promise<void> {
    try {
      await request();
      this.error.set(null);
      this.onWritten();
    } catch (error) {
      this.error.set(error instanceof Error ? error.message : String(error));
    }
    await this.refresh();
  }
}
