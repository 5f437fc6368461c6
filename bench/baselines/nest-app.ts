import { Controller, HttpCode, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { InjectDataSource, TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { serve } from '../environment/serve.js';

/** The least that a Nest app does for a request that has to ask the database. */
@Controller('bare')
class BareController {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  @Post('pull')
  @HttpCode(200)
  async pull(): Promise<object> {
    await this.dataSource.query('SELECT 1');
    return { changes: [], deletes: [], checkpoint: 1, has_more: false };
  }
}

@Module({
  imports: [TypeOrmModule.forRoot({ type: 'postgres', url: process.env['DATABASE_URL'] ?? '' })],
  controllers: [BareController],
})
class BareModule {}

const app = await NestFactory.create(BareModule, { logger: ['error', 'fatal'] });
await app.listen(0, '127.0.0.1');
serve({}, await app.getUrl(), () => app.close());
