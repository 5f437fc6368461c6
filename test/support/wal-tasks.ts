import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { createTableSql } from './schema-fixtures.js';
import { SyncedRow } from './wal-app.js';

/** Tasks that their owners read, in an app of `startWalApp`; `insertTask` of `sample-rows.ts` makes one. */
@Entity('tasks')
@SyncTable({ ownerColumn: 'user_id' })
export class Task extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  title!: string | null;
}

export const TASKS_SQL = createTableSql('tasks', 'user_id text NOT NULL, title text');
