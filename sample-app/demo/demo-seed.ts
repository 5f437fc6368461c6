import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, In } from 'typeorm';
import { Comment } from '../tasks/comment.entity.js';
import { Task } from '../tasks/task.entity.js';
import { DEMO_USERS } from './demo-users.js';

const TASKS: readonly {
  readonly userId: string;
  readonly title: string;
  readonly comments: readonly string[];
}[] = [
  { userId: 'alice', title: 'Buy oat milk', comments: [] },
  {
    userId: 'alice',
    title: 'Plan the picnic',
    comments: ['Sunday, if it stays dry', 'Who brings the blanket?'],
  },
  { userId: 'alice', title: 'Book the train to Lyon', comments: ['Window seat'] },
  { userId: 'bob', title: 'Water the plants', comments: [] },
];

/** Gives the page's users something to look at, at the first start. */
@Injectable()
export class DemoSeed implements OnApplicationBootstrap {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      const known = { where: { userId: In(DEMO_USERS) }, withDeleted: true };
      if (await manager.exists(Task, known)) return;
      const began = Date.now();
      for (const [index, { comments, ...values }] of TASKS.entries()) {
        // Devices order by it, and a transaction has one time only.
        const task = await manager.save(Task, { ...values, createdAt: new Date(began + index) });
        await manager.save(
          Comment,
          comments.map((body, place) => ({ task, body, createdAt: new Date(began + place) })),
        );
      }
    });
  }
}
