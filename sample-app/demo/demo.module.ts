import { join } from 'node:path';
import { Module, type DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ServeStaticModule } from '@nestjs/serve-static';
import type { DemoSettings } from '../app.settings.js';
import { projectFolder } from '../project-folder.js';
import { TaskShare } from '../tasks/task-share.entity.js';
import { Task } from '../tasks/task.entity.js';
import { DemoSeed } from './demo-seed.js';
import { DEMO_JWT_SECRET, SignInController } from './sign-in.controller.js';
import { DemoTasksController } from './tasks.controller.js';
import { TimeLineController } from './time-line.controller.js';

/** The page at `/`, as `npm run build:web` has built it, and the endpoints that it has beside sync. */
@Module({})
export class DemoModule {
  static forRoot({ seed = false }: DemoSettings, jwtSecret: string | undefined): DynamicModule {
    return {
      module: DemoModule,
      imports: [
        TypeOrmModule.forFeature([Task, TaskShare]),
        // Of unknown paths the app itself says that they are: the page is at `/` alone.
        ServeStaticModule.forRoot({ rootPath: join(projectFolder(), 'dist', 'web'), renderPath: '/' }),
      ],
      controllers: [SignInController, DemoTasksController, TimeLineController],
      providers: [{ provide: DEMO_JWT_SECRET, useValue: jwtSecret ?? null }, ...(seed ? [DemoSeed] : [])],
    };
  }
}
