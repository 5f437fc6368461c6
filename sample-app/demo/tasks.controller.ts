import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  NotFoundException,
  Param,
  ParseUUIDPipe,
  Patch,
  Post,
  Put,
  UsePipes,
  ValidationPipe,
} from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, Repository } from 'typeorm';
import { TaskShare } from '../tasks/task-share.entity.js';
import { Task } from '../tasks/task.entity.js';
import { CreateTaskRequest, RenameTaskRequest, ShareTaskRequest } from './demo.requests.js';
import { DEMO_USERS } from './demo-users.js';

interface ServerTask {
  readonly id: string;
  readonly user: string;
  readonly title: string;
  readonly shares: readonly { readonly user: string; readonly canEdit: boolean }[];
}

/**
 * Reads and writes tasks like any controller of an app that has never heard of sync: there is nothing to call, and
 * nothing to forget. It asks nobody who they are, and reaches tasks of the page's users alone.
 */
@Controller('demo/tasks')
@UsePipes(new ValidationPipe())
export class DemoTasksController {
  constructor(
    @InjectRepository(Task) private readonly tasks: Repository<Task>,
    @InjectRepository(TaskShare) private readonly shares: Repository<TaskShare>,
  ) {}

  @Get()
  async list(): Promise<readonly ServerTask[]> {
    const tasks = await this.tasks.find({
      where: { userId: In(DEMO_USERS) },
      order: { createdAt: 'ASC', id: 'ASC' },
      take: 100,
    });
    const shares = await this.shares.findBy({ taskId: In(tasks.map(({ id }) => id)) });
    return tasks.map(({ id, userId, title }) => ({
      id,
      user: userId,
      title,
      shares: shares
        .filter(({ taskId }) => taskId === id)
        .map(({ sharedWithUserId, canEdit }) => ({ user: sharedWithUserId, canEdit })),
    }));
  }

  @Post()
  async create(@Body() { user, title }: CreateTaskRequest): Promise<{ readonly id: string }> {
    const { id } = await this.tasks.save(this.tasks.create({ userId: user, title }));
    return { id };
  }

  @Patch(':id')
  @HttpCode(204)
  async rename(@Param('id', ParseUUIDPipe) id: string, @Body() { title }: RenameTaskRequest): Promise<void> {
    const task = await this.find(id);
    task.title = title;
    await this.tasks.save(task);
  }

  @Delete(':id')
  @HttpCode(204)
  async remove(@Param('id', ParseUUIDPipe) id: string): Promise<void> {
    await this.tasks.softRemove(await this.find(id));
  }

  @Put(':id/shares')
  @HttpCode(204)
  async share(
    @Param('id', ParseUUIDPipe) id: string,
    @Body() { user, canEdit }: ShareTaskRequest,
  ): Promise<void> {
    const { id: taskId } = await this.find(id);
    await this.shares.save({ taskId, sharedWithUserId: user, canEdit });
  }

  @Delete(':id/shares/:user')
  @HttpCode(204)
  async unshare(@Param('id', ParseUUIDPipe) id: string, @Param('user') user: string): Promise<void> {
    const { id: taskId } = await this.find(id);
    await this.shares.delete({ taskId, sharedWithUserId: user });
  }

  private async find(id: string): Promise<Task> {
    const task = await this.tasks.findOneBy({ id, userId: In(DEMO_USERS) });
    if (task === null) throw new NotFoundException(`no task ${id} of ${DEMO_USERS.join(' or ')}`);
    return task;
  }
}
