import { SyncTable } from 'nestjs-synchro';
import { DataSource, EntitySchema } from 'typeorm';

const ROW = {
  id: { type: 'uuid', primary: true },
  updated_at: { type: 'timestamptz', updateDate: true },
  deleted_at: { type: 'timestamptz', deleteDate: true, nullable: true },
};

class Share {}
class Task {}
class Comment {}

SyncTable({ ownerColumn: 'user_id', bucketSources: [{ entity: () => Share, fkColumn: 'task_id' }] })(Task);
SyncTable({ parent: () => Task, parentFkColumn: 'task_id' })(Comment);

const share = new EntitySchema({
  target: Share,
  name: 'Share',
  tableName: 'shares',
  columns: { task_id: { type: 'uuid', primary: true }, user_id: { type: 'text', primary: true } },
});
const task = new EntitySchema({
  target: Task,
  name: 'Task',
  tableName: 'tasks',
  columns: { ...ROW, user_id: { type: 'text' }, due_at: { type: 'timestamp', nullable: true } },
});
const comment = new EntitySchema({
  target: Comment,
  name: 'Comment',
  tableName: 'comments',
  columns: { ...ROW, task_id: { type: 'uuid' } },
});

export function makeDataSource(url) {
  return new DataSource({ type: 'postgres', url, entities: [share, task, comment], connectTimeoutMS: 5_000 });
}

/** What an app would give the command line; the database comes from the environment. */
export const appDataSource = makeDataSource(process.env.DOCTOR_DATABASE_URL);
