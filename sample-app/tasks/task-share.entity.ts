import { Entity, Index, PrimaryColumn } from 'typeorm';

/** Lets another user see a task. Not synced itself; it decides who sees the task. */
@Entity('task_shares')
export class TaskShare {
  @PrimaryColumn('uuid', { name: 'task_id' })
  taskId!: string;

  @Index('task_shares_shared_with_user_id')
  @PrimaryColumn('text', { name: 'shared_with_user_id' })
  sharedWithUserId!: string;
}
