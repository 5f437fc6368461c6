import { SyncTable } from 'nestjs-synchro';
import {
  Column,
  CreateDateColumn,
  DeleteDateColumn,
  Entity,
  Index,
  PrimaryColumn,
  UpdateDateColumn,
} from 'typeorm';
import { TaskShare } from './task-share.entity.js';

/** Belongs to its user, and is shared with the users of its {@link TaskShare}s. */
@Entity('tasks')
@SyncTable({ ownerColumn: 'user_id', bucketSources: [{ entity: () => TaskShare, fkColumn: 'task_id' }] })
export class Task {
  @PrimaryColumn('uuid', { default: () => 'gen_random_uuid()' })
  id!: string;

  @Index('tasks_user_id')
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  title!: string;

  @Column('int', { nullable: true })
  priority!: number | null;

  @Column('numeric', { precision: 10, scale: 2, nullable: true })
  estimate!: string | null;

  @Column('bigint', { name: 'big_count', nullable: true })
  bigCount!: string | null;

  @Column('text', { array: true, nullable: true })
  labels!: string[] | null;

  @Column('jsonb', { nullable: true })
  metadata!: unknown;

  @Column('timestamptz', { name: 'due_at', nullable: true })
  dueAt!: Date | null;

  @Column('bytea', { nullable: true })
  cover!: Buffer | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;

  @DeleteDateColumn({ name: 'deleted_at', type: 'timestamptz' })
  deletedAt!: Date | null;
}
