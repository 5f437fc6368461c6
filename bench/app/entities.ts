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
export class TaskMember {
  @PrimaryColumn('uuid', { name: 'task_id' })
  taskId!: string;

  @PrimaryColumn('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  role!: string;
}

/** The same table with members who edit: for the app that `SYNC_MEMBERS` asks for. */
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
export class SharedTask extends TaskRow {}

@Entity('comments')
@SyncTable({ parent: () => Task })
export class Comment extends SyncedRow {
  @ManyToOne(() => Task, { nullable: false })
  @JoinColumn({ name: 'task_id' })
  task!: Relation<Task>;

  @Column('text')
  body!: string;
}

/** With a column of each kind that an attacker may want to send. */
@Entity('documents')
@SyncTable({ ownerColumn: 'user_id' })
export class Document extends SyncedRow {
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
