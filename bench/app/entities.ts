import { SyncTable } from 'nestjs-synchro';
import {
  Column,
  CreateDateColumn,
  DeleteDateColumn,
  Entity,
  JoinColumn,
  ManyToOne,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  UpdateDateColumn,
} from 'typeorm';
import type { Relation } from 'typeorm';

abstract class SyncedRow {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;

  @DeleteDateColumn({ name: 'deleted_at', type: 'timestamptz' })
  deletedAt!: Date | null;
}

abstract class TaskRow extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  title!: string;

  @Column('text')
  body!: string;

  @Column('boolean', { default: false })
  done!: boolean;

  @Column('int', { nullable: true })
  priority!: number | null;

  @Column('numeric', { precision: 12, scale: 2, nullable: true })
  amount!: string | null;
}

@Entity('tasks')
@SyncTable({ ownerColumn: 'user_id' })
export class Task extends TaskRow {}

@Entity('task_members')
class TaskMember {
  @PrimaryColumn('uuid', { name: 'task_id' })
  taskId!: string;

  @PrimaryColumn('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  role!: string;
}

/** The same table, where each task has members who edit it. */
@Entity('tasks')
@SyncTable({
  ownerColumn: 'user_id',
  members: {
    through: () => TaskMember,
    teamColumn: 'task_id',
    userColumn: 'user_id',
    writers: { role: ['editor', 'admin'] },
  },
})
class SharedTask extends TaskRow {}

/** A collaborator edits all tasks of a user. */
@Entity('collaborators')
class Collaborator {
  @PrimaryColumn('text', { name: 'owner_id' })
  ownerId!: string;

  @PrimaryColumn('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  role!: string;
}

/** The same table, where a user's tasks are one list that others may edit. */
@Entity('tasks')
@SyncTable({
  ownerColumn: 'user_id',
  members: {
    column: 'user_id',
    through: () => Collaborator,
    teamColumn: 'owner_id',
    userColumn: 'user_id',
    writers: { role: ['editor', 'admin'] },
  },
})
class ListedTask extends TaskRow {}

@Entity('comments')
@SyncTable({ parent: () => Task })
class Comment extends SyncedRow {
  @ManyToOne(() => Task, { nullable: false })
  @JoinColumn({ name: 'task_id' })
  task!: Relation<Task>;

  @Column('text')
  body!: string;
}

/** With a column of each kind that an attacker may want to send. */
@Entity('documents')
@SyncTable({ ownerColumn: 'user_id' })
class Document extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  title!: string;

  @Column('int', { nullable: true })
  priority!: number | null;

  @Column('numeric', { nullable: true })
  amount!: string | null;

  @Column('jsonb', { nullable: true })
  metadata!: unknown;
}

/** The rule for writing tasks: their owner alone writes them, or members of each task, or collaborators of their owner, too. */
export type TaskRule = 'owned' | 'members-of-each' | 'collaborators';

/** The entities of an app, by its rule. */
export const ENTITIES = {
  owned: [Task, Comment, Document],
  'members-of-each': [SharedTask, TaskMember],
  collaborators: [ListedTask, Collaborator],
} as const satisfies Record<TaskRule, readonly unknown[]>;
