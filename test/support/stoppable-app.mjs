/**
 * The built sample app with other replication options (REPLICATION, as JSON), which stops dead where it is told to
 * (STOP_AT, as `<where>:<how many times it passes there>`), so that a SIGKILL lands exactly there: in a phase of the
 * consumer, or at `answer`, between the commit of a push and its answer. It never goes on from there.
 */
import { subscribe } from 'node:diagnostics_channel';
import { writeSync } from 'node:fs';
import { ServerResponse } from 'node:http';
import { NestFactory } from '@nestjs/core';

const dist = new URL('../../dist/sample-app/', import.meta.url);
const { AppModule } = await import(new URL('app.module.js', dist).href);
const { settingsFrom } = await import(new URL('app.settings.js', dist).href);

const [stopAt, times] = (process.env.STOP_AT ?? '').split(':');
let left = Number(times);

function pass(place) {
  if (place !== stopAt || --left > 0) return;
  writeSync(1, `stopped at ${place}\n`);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

subscribe('nestjs-synchro:consumer', ({ phase }) => pass(phase));

const end = Reflect.get(ServerResponse.prototype, 'end');
ServerResponse.prototype.end = function stoppable(...values) {
  if (this.req.url === '/sync/push' && this.statusCode === 200) pass('answer');
  return Reflect.apply(end, this, values);
};

const settings = settingsFrom(process.env, process.env.DATABASE_URL);
const { slotName, publicationName } = settings;
const replication = { slotName, publicationName, ...JSON.parse(process.env.REPLICATION ?? '{}') };
const app = await NestFactory.create(AppModule.forRoot(settings, { replication }));
app.enableShutdownHooks(['SIGTERM'], { useProcessExit: true });
await app.listen(process.env.PORT);
writeSync(1, `URL: ${(await app.getUrl()).replace('[::1]', 'localhost')}\n`);
