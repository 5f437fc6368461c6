import { Controller, DefaultValuePipe, Get, ParseIntPipe, Query } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { SyncEngine } from 'nestjs-synchro';
import { DataSource } from 'typeorm';
import { readTimeLine, type TimeLineEntry } from './time-line.js';

interface TimeLine {
  /** When it was read, in milliseconds since 1970 by PostgreSQL's clock: a browser's may go differently. */
  readonly now: number;
  readonly entries: readonly TimeLineEntry[];
}

/** Tells the page when PostgreSQL committed what the log has, and when the log had it. */
@Controller('demo/time-line')
export class TimeLineController {
  constructor(
    private readonly sync: SyncEngine,
    @InjectDataSource() private readonly dataSource: DataSource,
  ) {}

  /** Resolves once the log has what was committed before. */
  @Get()
  async read(@Query('after', new DefaultValuePipe(0), ParseIntPipe) after: number): Promise<TimeLine> {
    await this.sync.caughtUp();
    const entries = await readTimeLine(this.dataSource, after);
    const [clock]: { now: number }[] = await this.dataSource.query(
      'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now',
    );
    return { now: clock?.now ?? 0, entries };
  }
}
