import { SyncTable } from 'nestjs-synchro';
import {
  Column,
  DeleteDateColumn,
  Entity,
  JoinColumn,
  ManyToOne,
  PrimaryColumn,
  UpdateDateColumn,
} from 'typeorm';
import type { Relation } from 'typeorm';

abstract class WorldColumns {
  @Column('text')
  title!: string;

  @Column('int', { nullable: true })
  rank!: number | null;

  @Column('numeric', { precision: 12, scale: 2, nullable: true })
  amount!: string | null;

  @Column('jsonb', { nullable: true })
  data!: unknown;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;

  @DeleteDateColumn({ name: 'deleted_at', type: 'timestamptz' })
  deletedAt!: Date | null;
}

abstract class WorldRow extends WorldColumns {
  @PrimaryColumn('uuid')
  id!: string;
}

@Entity('projects')
@SyncTable({ ownerColumn: 'user_id' })
export class Project extends WorldRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

@Entity('tasks')
@SyncTable({ parent: () => Project })
export class Task extends WorldRow {
  @ManyToOne(() => Project, { nullable: false })
  @JoinColumn({ name: 'project_id' })
  project!: Relation<Project>;
}

@Entity('comments')
@SyncTable({ parent: () => Task, bucketByColumn: 'task_id', bucketPrefix: 'task:' })
export class Comment extends WorldRow {
  @ManyToOne(() => Task, { nullable: false })
  @JoinColumn({ name: 'task_id' })
  task!: Relation<Task>;
}

@Entity('boards')
@SyncTable({ ownerColumn: 'user_id', bucketByColumn: 'team', bucketPrefix: 'team:' })
export class Board extends WorldColumns {
  @PrimaryColumn('bigint')
  id!: string;

  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  team!: string;
}

@Entity('cards')
@SyncTable({ parent: () => Board })
export class Card extends WorldRow {
  @ManyToOne(() => Board, { nullable: false })
  @JoinColumn({ name: 'board_id' })
  board!: Relation<Board>;
}

@Entity('note_shares')
export class NoteShare {
  @PrimaryColumn('uuid', { name: 'note_id' })
  noteId!: string;

  @PrimaryColumn('text', { name: 'user_id' })
  userId!: string;
}

@Entity('notes')
@SyncTable({
  ownerColumn: 'user_id',
  bucketFunction: 'public.note_buckets',
  bucketSources: [{ entity: () => NoteShare, fkColumn: 'note_id' }],
})
export class Note extends WorldRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

@Entity('sheet_members')
export class SheetMember {
  @PrimaryColumn('uuid', { name: 'sheet_id' })
  sheetId!: string;

  @PrimaryColumn('text', { name: 'user_id' })
  userId!: string;

  @Column('boolean', { name: 'can_edit' })
  canEdit!: boolean;
}

@Entity('sheets')
@SyncTable({
  ownerColumn: 'user_id',
  members: {
    through: () => SheetMember,
    teamColumn: 'sheet_id',
    userColumn: 'user_id',
    writers: { can_edit: [true] },
  },
})
export class Sheet extends WorldRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

@Entity('lines')
@SyncTable({ parent: () => Sheet })
export class Line extends WorldRow {
  @ManyToOne(() => Sheet, { nullable: false })
  @JoinColumn({ name: 'sheet_id' })
  sheet!: Relation<Sheet>;
}

@Entity('tags')
@SyncTable({ ownerColumn: 'user_id', globalWhenBucketNull: true, allowGlobalRead: true })
export class Tag extends WorldColumns {
  @PrimaryColumn('text')
  id!: string;

  @Column('text', { name: 'user_id', nullable: true })
  userId!: string | null;
}

@Entity('categories')
@SyncTable({ pushPolicy: 'disabled' })
export class Category extends WorldRow {}

export const WORLD_ENTITIES = [
  Project,
  Task,
  Comment,
  Board,
  Card,
  NoteShare,
  Note,
  SheetMember,
  Sheet,
  Line,
  Tag,
  Category,
];
