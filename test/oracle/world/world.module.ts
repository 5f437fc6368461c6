import { Controller, Injectable, Module, Post } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { InjectDataSource, TypeOrmModule } from '@nestjs/typeorm';
import {
  OnPushAccepted,
  SubscriptionResolver,
  SyncEngine,
  SynchroModule,
  synchroMigrations,
  UserIdHeaderGuard,
  UserSubscriptionResolver,
} from 'nestjs-synchro';
import type { PushAcceptedEvent, SynchroOptions } from 'nestjs-synchro';
import { DataSource } from 'typeorm';
import { raisedForSql, WORLD_APP } from './tables.js';
import { WORLD_ENTITIES } from './entities.js';

export interface WorldSettings {
  readonly databaseUrl: string;
  readonly slotName: string;
  readonly publicationName: string;
  readonly replication?: Extract<SynchroOptions['replication'], object>;
  /** From when on compaction passes a device that stays away. Default: 1 s. */
  readonly staleThreshold?: string;
  /** Milliseconds. Default: the library's. */
  readonly statementTimeout?: number;
  /** Default: the library's. */
  readonly maxPageBytes?: number;
  /** Default: the library's. */
  readonly preparedStatements?: boolean;
}

/** Besides what is theirs, people read what their teams have, and the comments of the tasks that they watch. */
@Injectable()
class WorldSubscriptions extends SubscriptionResolver {
  constructor(
    private readonly own: UserSubscriptionResolver,
    @InjectDataSource() private readonly dataSource: DataSource,
  ) {
    super();
  }

  override async resolveSubscriptions(userId: string): Promise<readonly string[]> {
    const granted: readonly { bucket: string }[] = await this.dataSource.query(
      `SELECT 'team:' || team AS bucket FROM public.team_members WHERE user_id = $1
       UNION ALL SELECT 'task:' || task_id FROM public.watches WHERE user_id = $1 ORDER BY 1`,
      [userId],
    );
    return [...this.own.resolveSubscriptions(userId), ...granted.map(({ bucket }) => bucket)];
  }
}

/** Throws for some notes of the world's people while `world_faults` says so. */
@Injectable()
class WorldHooks {
  @OnPushAccepted()
  async refuseSomeNotes({ manager, accepted }: PushAcceptedEvent): Promise<void> {
    const ids = accepted.filter(({ table }) => table === 'notes').map(({ recordId }) => recordId);
    if (ids.length === 0) return;
    const failing: readonly unknown[] = await manager.query(
      `SELECT n.id FROM public.world_faults f CROSS JOIN public.notes n
        WHERE f.name = 'hook' AND n.id = ANY($1::uuid[]) AND ${raisedForSql('notes', 'n.rank')} AND n.title LIKE 'text %'`,
      [ids],
    );
    if (failing.length > 0) throw new Error('the hook takes no such note');
  }
}

/** What an administrator does. */
@Controller('world')
class WorldController {
  constructor(private readonly engine: SyncEngine) {}

  @Post('compact')
  async compact(): Promise<void> {
    await this.engine.runCompaction();
  }
}

/** A host app with every kind of bucket rule: by owner, parent, team, watched task, SQL function, and for everyone. */
@Module({})
export class WorldModule {
  static forRoot(given: WorldSettings): DynamicModule {
    const { databaseUrl, slotName, publicationName, replication, staleThreshold = '1s', ...limits } = given;
    return {
      module: WorldModule,
      imports: [
        TypeOrmModule.forRoot({
          type: 'postgres',
          url: databaseUrl,
          // TypeORM's own table has no schema otherwise, and the path may be empty.
          schema: 'public',
          applicationName: WORLD_APP,
          entities: WORLD_ENTITIES,
          migrations: [...synchroMigrations],
          migrationsRun: true,
          retryAttempts: 3,
        }),
        SynchroModule.forRoot({
          guards: [UserIdHeaderGuard()],
          providers: [{ provide: SubscriptionResolver, useClass: WorldSubscriptions }],
          compaction: { staleThreshold },
          replication: { slotName, publicationName, ...replication },
          ...limits,
        }),
      ],
      controllers: [WorldController],
      providers: [WorldHooks],
    };
  }
}
