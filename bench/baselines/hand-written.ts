import {
  BadRequestException,
  Body,
  Controller,
  Headers,
  HttpCode,
  type PipeTransform,
  Post,
} from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { IsBoolean, IsInt, IsNumber, IsOptional, IsString, IsUUID, validateSync } from 'class-validator';
import { DataSource, MoreThan } from 'typeorm';
import { Task } from '../app/entities.js';

class TaskDto {
  @IsUUID() id = '';
  @IsString() title = '';
  @IsString() body = '';
  @IsBoolean() done = false;
  @IsInt() priority = 0;
  @IsNumber() amount = 0;
}

class PageDto {
  @IsOptional() @IsUUID() after: string | null = null;
  @IsInt() limit = 0;
}

/** Validates as Nest's `ValidationPipe` does, without the cost of class-transformer. */
class Validated<Dto extends object> implements PipeTransform<object, readonly Dto[]> {
  constructor(private readonly type: new () => Dto) {}

  transform(received: object): readonly Dto[] {
    return [received].flat().map((each: object) => {
      const dto = Object.assign(new this.type(), each);
      if (validateSync(dto, { whitelist: true }).length > 0) throw new BadRequestException();
      return dto;
    });
  }
}

/**
 * Controllers as a team writes them by hand, without the semantics of sync: DTOs, a transaction for each request, and
 * TypeORM's bulk methods. They run in the bench's app, so that its WAL consumer also follows their writes.
 */
@Controller('hand-written')
export class HandWrittenController {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  @Post('creates')
  @HttpCode(200)
  async create(
    @Headers('x-user-id') userId: string,
    @Body(new Validated(TaskDto)) tasks: readonly TaskDto[],
  ): Promise<object> {
    return this.dataSource.transaction(async (manager) => {
      const made = await manager.insert(
        Task,
        tasks.map(({ amount, ...task }) => ({ ...task, userId, amount: String(amount) })),
      );
      return { accepted: made.generatedMaps };
    });
  }

  @Post('updates')
  @HttpCode(200)
  async update(
    @Headers('x-user-id') userId: string,
    @Body(new Validated(TaskDto)) tasks: readonly TaskDto[],
  ): Promise<object> {
    return this.dataSource.transaction(async (manager) => {
      const accepted: string[] = [];
      for (const { id, amount, ...task } of tasks) {
        const { affected } = await manager.update(Task, { id, userId }, { ...task, amount: String(amount) });
        if (affected === 1) accepted.push(id);
      }
      return { accepted };
    });
  }

  /** A page of the user's tasks. */
  @Post('pull')
  @HttpCode(200)
  async pull(
    @Headers('x-user-id') userId: string,
    @Body(new Validated(PageDto)) [page = new PageDto()]: readonly PageDto[],
  ): Promise<object> {
    const { after, limit } = page;
    const tasks = await this.dataSource.getRepository(Task).find({
      where: { userId, ...(after !== null && { id: MoreThan(after) }) },
      order: { id: 'ASC' },
      take: limit,
      withDeleted: true,
    });
    return { tasks, has_more: tasks.length === limit };
  }
}
