import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { SyncedRow } from './wal-app.js';

/** A row whose buckets its pages inherit. */
@Entity('docs')
@SyncTable({ ownerColumn: 'user_id' })
export class Doc extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

@Entity('pages')
@SyncTable({ parent: () => Doc, parentFkColumn: 'doc_id' })
export class Page extends SyncedRow {
  @Column('uuid', { name: 'doc_id' })
  docId!: string;
}
