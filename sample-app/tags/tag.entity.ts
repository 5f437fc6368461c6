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

/** A user's own, or, without a user, everyone's. */
@Entity('tags')
@SyncTable({ ownerColumn: 'user_id', globalWhenBucketNull: true, allowGlobalRead: true })
export class Tag {
  @PrimaryColumn('uuid', { default: () => 'gen_random_uuid()' })
  id!: string;

  @Index('tags_user_id')
  @Column('text', { name: 'user_id', nullable: true })
  userId!: string | null;

  @Column('text')
  name!: string;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;

  @DeleteDateColumn({ name: 'deleted_at', type: 'timestamptz' })
  deletedAt!: Date | null;
}
