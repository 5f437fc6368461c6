import { SyncTable } from 'nestjs-synchro';
import {
  Column,
  CreateDateColumn,
  DeleteDateColumn,
  Entity,
  Index,
  ManyToOne,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  UpdateDateColumn,
  type Relation,
} from 'typeorm';

export class AccessTimestamps {
  @CreateDateColumn()
  created!: Date;

  @UpdateDateColumn()
  modified!: Date;
}

export class Times extends AccessTimestamps {
  @DeleteDateColumn()
  removed!: Date | null;
}

@Entity()
@SyncTable({ ownerColumn: 'owner' })
export class Project {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column()
  name!: string;

  @Column()
  owner!: string;

  @Column(() => Times)
  date!: Times;
}

@Entity()
@SyncTable({ ownerColumn: 'owner' })
export class Label {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column()
  value!: string;

  @Column()
  owner!: string;

  @Column(() => Times)
  date!: Times;
}

/** What TypeORM's `@ManyToMany` would make without an entity, with an id for devices beside its key. */
@Entity()
@SyncTable({ parent: () => Project, idColumn: 'syncId' })
export class ProjectLabel {
  @PrimaryColumn('uuid')
  projectId!: string;

  @PrimaryColumn('uuid')
  labelId!: string;

  @Column('uuid', { default: () => 'gen_random_uuid()' })
  @Index('project_label_sync_id', { unique: true })
  syncId!: string;

  @Column('int', { default: 0 })
  position!: number;

  @ManyToOne(() => Project, { onDelete: 'CASCADE' })
  project!: Relation<Project>;

  @ManyToOne(() => Label, { onDelete: 'CASCADE' })
  label!: Relation<Label>;

  @Column(() => AccessTimestamps)
  date!: AccessTimestamps;
}
