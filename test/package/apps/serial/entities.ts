import { Exclude } from 'class-transformer';
import { SyncTable } from 'nestjs-synchro';
import {
  Column,
  CreateDateColumn,
  DeleteDateColumn,
  Entity,
  ManyToOne,
  PrimaryGeneratedColumn,
  UpdateDateColumn,
  type Relation,
} from 'typeorm';

@Entity({ name: 'user' })
export class UserEntity {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column({ type: String, unique: true })
  email!: string;

  @Column({ type: String, nullable: true })
  password!: string | null;
}

@Entity({ name: 'note' })
@SyncTable({ idColumn: 'syncId', ownerColumn: 'user' })
export class NoteEntity {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column({ type: 'uuid', unique: true, default: () => 'gen_random_uuid()' })
  syncId!: string;

  @Column()
  text!: string;

  @Column({ type: 'int', default: 0 })
  stars!: number;

  /** The start warns of it. */
  @Column({ type: String, nullable: true })
  @Exclude({ toPlainOnly: true })
  moderation!: string | null;

  @ManyToOne(() => UserEntity, { nullable: false, onDelete: 'CASCADE' })
  user!: Relation<UserEntity>;

  @CreateDateColumn()
  createdAt!: Date;

  @UpdateDateColumn()
  updatedAt!: Date;

  @DeleteDateColumn()
  deletedAt!: Date | null;
}
