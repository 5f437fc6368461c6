import {
  Body,
  Controller,
  Get,
  Module,
  Post,
  UseGuards,
  ValidationPipe,
  VersioningType,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import { SynchroModule } from 'nestjs-synchro';
import { Repository } from 'typeorm';
import { AuthModule } from './auth.js';
import { options } from './data-source.js';
import { NoteEntity } from './entities.js';

const { SYNC_SLOT, SYNC_PUBLICATION, PORT } = process.env;

/** The app's own routes, which know nothing of sync. */
@Controller({ path: 'notes', version: '1' })
@UseGuards(AuthGuard('jwt'))
class NotesController {
  constructor(@InjectRepository(NoteEntity) private readonly notes: Repository<NoteEntity>) {}

  @Get()
  list(): Promise<NoteEntity[]> {
    return this.notes.find({ order: { id: 'ASC' } });
  }

  @Post()
  create(@Body() { text, user }: { readonly text: string; readonly user: number }): Promise<NoteEntity> {
    return this.notes.save({ text, user: { id: user } });
  }
}

@Module({
  imports: [
    TypeOrmModule.forRoot({ ...options, migrationsRun: true, retryAttempts: 1 }),
    TypeOrmModule.forFeature([NoteEntity]),
    AuthModule,
    SynchroModule.forRoot({
      imports: [AuthModule],
      guards: [AuthGuard('jwt')],
      userId: (context) => context.switchToHttp().getRequest().user.id,
      replication: { slotName: SYNC_SLOT ?? '', publicationName: SYNC_PUBLICATION ?? '' },
    }),
  ],
  controllers: [NotesController],
})
class AppModule {}

async function bootstrap(): Promise<void> {
  const app = await NestFactory.create(AppModule, { cors: true });
  app.enableShutdownHooks();
  app.setGlobalPrefix('api');
  app.enableVersioning({ type: VersioningType.URI });
  app.useGlobalPipes(new ValidationPipe({ transform: true }));
  await app.listen(PORT ?? 0, '127.0.0.1');
  console.log(`URL: ${await app.getUrl()}`);
}
void bootstrap();
