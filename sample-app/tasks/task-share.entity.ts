import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** Lets another user see a task and comment on it. Not synced itself; it decides who sees and who edits the task. */
@Entity('task_shares')
export class TaskShare {
  @PrimaryColumn('uuid', { name: 'task_id' })
  taskId!: string;

  @Index('task_shares_shared_with_user_id')
  @PrimaryColumn('text', { name: 'shared_with_user_id' })
  sharedWithUserId!: string;

  /** Whether the other user may change the task, too. Only its owner deletes it. */
  @Column('boolean', { name: 'can_edit', default: false })
  canEdit!: boolean;
}
