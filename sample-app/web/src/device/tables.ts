/** As `npx nestjs-synchro types` prints them, but for the columns that the page has no use for. */
export interface Tables {
  tasks: {
    row: { id: string; user_id: string | null; title: string; created_at: string | null };
    create: { id?: string; title: string };
    update: { title?: string };
  };
  comments: {
    row: { id: string; task_id: string; body: string; created_at: string | null };
    create: { id?: string; task_id: string; body: string };
    update: { body?: string };
  };
}

export type Task = Tables['tasks']['row'];
export type Comment = Tables['comments']['row'];
