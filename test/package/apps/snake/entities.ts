import { Exclude } from 'class-transformer';
import { SyncTable } from 'nestjs-synchro';
import {
  Column,
  CreateDateColumn,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryGeneratedColumn,
  UpdateDateColumn,
  type Relation,
} from 'typeorm';

/** No column is named, and nothing has a delete time. */
export abstract class AbstractEntity {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @CreateDateColumn({ type: 'timestamp' })
  createdAt!: Date;

  @UpdateDateColumn({ type: 'timestamp' })
  updatedAt!: Date;
}

@Entity({ name: 'users' })
export class UserEntity extends AbstractEntity {
  @Column({ type: 'varchar', nullable: true })
  firstName!: string | null;

  @OneToMany(() => PostEntity, (post) => post.user)
  posts!: Relation<PostEntity>[];
}

@Entity({ name: 'posts' })
@SyncTable({ ownerColumn: 'userId', excludeColumns: ['editorNote'] })
export class PostEntity extends AbstractEntity {
  @Column({ type: 'uuid' })
  userId!: string;

  @ManyToOne(() => UserEntity, (user) => user.posts, { onDelete: 'CASCADE', nullable: false })
  user!: Relation<UserEntity>;

  @Column({ type: 'varchar', length: 80 })
  postTitle!: string;

  @Column({ type: 'text', nullable: true })
  editorNote!: string | null;

  @OneToMany(() => PostTranslationEntity, (translation) => translation.post)
  translations!: Relation<PostTranslationEntity>[];
}

@Entity({ name: 'post_translations' })
@SyncTable({ parent: () => PostEntity })
export class PostTranslationEntity extends AbstractEntity {
  @Column({ type: 'varchar' })
  languageCode!: string;

  /** The start warns of it. */
  @Column({ type: 'varchar', nullable: true })
  @Exclude()
  reviewNote!: string | null;

  @Column({ type: 'uuid' })
  postId!: string;

  @ManyToOne(() => PostEntity, (post) => post.translations, { onDelete: 'CASCADE' })
  post!: Relation<PostEntity>;
}
