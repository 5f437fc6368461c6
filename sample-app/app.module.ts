import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  JwtGuard,
  OwnershipResolver,
  OwnerWritePolicy,
  PerTableWritePolicy,
  SynchroModule,
  synchroMigrations,
  UserIdHeaderGuard,
  WritePolicy,
} from 'nestjs-synchro';
import type { AppSettings } from './app.settings.js';
import { Category } from './categories/category.entity.js';
import { DemoModule } from './demo/demo.module.js';
import { HealthController } from './health.controller.js';
import { CreateSampleTables1767225600000 } from './migrations/1767225600000-create-sample-tables.js';
import { Tag } from './tags/tag.entity.js';
import { Comment } from './tasks/comment.entity.js';
import { CommentWritePolicy } from './tasks/comment.write-policy.js';
import { SharingResolver } from './tasks/sharing.resolver.js';
import { TaskShare } from './tasks/task-share.entity.js';
import { TaskWritePolicy } from './tasks/task.write-policy.js';
import { Task } from './tasks/task.entity.js';

type SynchroOptions = Parameters<typeof SynchroModule.forRoot>[0];

@Module({})
export class AppModule {
  /** @param synchro Sync options that replace this app's own. */
  static forRoot(settings: AppSettings, synchro: Partial<SynchroOptions> = {}): DynamicModule {
    const { databaseUrl, slotName, publicationName, jwtSecret, demo } = settings;
    return {
      module: AppModule,
      imports: [
        TypeOrmModule.forRoot({
          type: 'postgres',
          url: databaseUrl,
          entities: [Task, TaskShare, Comment, Category, Tag],
          migrations: [...synchroMigrations, CreateSampleTables1767225600000],
          migrationsRun: true,
          retryAttempts: 3,
        }),
        SynchroModule.forRoot({
          guards: [
            jwtSecret === undefined
              ? UserIdHeaderGuard({ development: true })
              : JwtGuard({ secret: jwtSecret, requireExpiry: false }),
          ],
          providers: [
            { provide: OwnershipResolver, useClass: SharingResolver },
            TaskWritePolicy,
            CommentWritePolicy,
            {
              provide: WritePolicy,
              inject: [TaskWritePolicy, CommentWritePolicy, OwnerWritePolicy],
              useFactory: (tasks: TaskWritePolicy, comments: CommentWritePolicy, owners: OwnerWritePolicy) =>
                new PerTableWritePolicy({ tasks, comments }, owners),
            },
          ],
          // The page's time line asks the engine.
          isGlobal: true,
          compaction: { interval: '1h' },
          replication: { slotName, publicationName },
          ...synchro,
        }),
        ...(demo === undefined ? [] : [DemoModule.forRoot(demo, jwtSecret)]),
      ],
      controllers: [HealthController],
    };
  }
}
