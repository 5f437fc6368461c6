/**
 * A host in CommonJS, as `nest new` makes it for those who choose that: it requires the built package. Written without
 * a compiler, so that nothing but Node decides how modules are loaded.
 */
const { Controller, Get, Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { TypeOrmModule } = require('@nestjs/typeorm');
const { OnPushAccepted, SynchroModule, SyncTable, UserIdHeaderGuard } = require('nestjs-synchro');
const { caughtUp } = require('nestjs-synchro/testing');
const typeorm = require('typeorm');

const { Column, DeleteDateColumn, Entity, PrimaryGeneratedColumn, UpdateDateColumn } = typeorm;
const { DATABASE_URL: url, SYNC_SLOT: slotName, SYNC_PUBLICATION: publicationName } = process.env;

class Task {}
PrimaryGeneratedColumn('uuid')(Task.prototype, 'id');
Column('text')(Task.prototype, 'title');
Column('text')(Task.prototype, 'user_id');
UpdateDateColumn({ type: 'timestamptz' })(Task.prototype, 'updated_at');
DeleteDateColumn({ type: 'timestamptz' })(Task.prototype, 'deleted_at');
SyncTable({ ownerColumn: 'user_id' })(Task);
Entity('tasks')(Task);

/** Uses what the package hands over with the classes that this host has required. */
class AcceptedController {
  titles = [];

  async note({ manager, accepted }) {
    if (!(manager instanceof typeorm.EntityManager)) throw new Error('the package has a TypeORM of its own');
    for (const { recordId: id } of accepted) {
      const task = await manager.getRepository(Task).findOneByOrFail({ id });
      this.titles.push(task.title);
    }
  }

  list() {
    return this.titles;
  }
}
decorateMethod(AcceptedController, 'note', OnPushAccepted());
decorateMethod(AcceptedController, 'list', Get());
Controller('accepted')(AcceptedController);

class AppModule {}
Module({
  imports: [
    TypeOrmModule.forRoot({ type: 'postgres', url, entities: [Task], synchronize: true, retryAttempts: 1 }),
    SynchroModule.forRoot({
      guards: [UserIdHeaderGuard()],
      migrationsRun: true,
      replication: { slotName, publicationName },
    }),
  ],
  controllers: [AcceptedController],
})(AppModule);

function decorateMethod({ prototype }, name, decorator) {
  decorator(prototype, name, Object.getOwnPropertyDescriptor(prototype, name));
}

async function start() {
  const app = await NestFactory.create(AppModule);
  app.enableShutdownHooks();
  await app.listen(process.env.PORT, '127.0.0.1');
  await caughtUp(app);
  console.log(`URL: ${await app.getUrl()}`);
}
void start();
