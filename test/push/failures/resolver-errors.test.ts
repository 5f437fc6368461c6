import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { ConflictResolver, SubscriptionResolver, type Conflict, type Resolution } from 'nestjs-synchro';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type RunningApp } from '../../support/app.js';
import { consumed } from '../../support/consumer.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { insertTask } from '../../support/sample-rows.js';

/** What the resolvers throw for the title, or for the user, that is down. */
let code = '';
const down = (): Error => Object.assign(new Error('it is down'), { code, severity: 'ERROR' });

class BrokenConflicts extends ConflictResolver {
  resolve({ clientData }: Conflict): Resolution {
    if (clientData.includes('broken')) throw down();
    return { winner: 'client', reason: 'it always wins' };
  }
}

class BrokenSubscriptions extends SubscriptionResolver {
  resolveSubscriptions(userId: string): Promise<readonly string[]> {
    return userId === 'mallory' ? Promise.reject(down()) : Promise.resolve([`user:${userId}`, 'global']);
  }
}

describe.each(['ECONNREFUSED', '40001', '08006'])(
  'a resolver that always fails as if something were down, %s,',
  (thrown) => {
    let database: TestDatabase;
    let app: RunningApp;
    let phone: Device;

    beforeAll(async () => {
      Logger.overrideLogger(false);
      code = thrown;
      database = await createDatabase();
      app = await startApp({
        database,
        synchro: {
          providers: [
            { provide: ConflictResolver, useClass: BrokenConflicts },
            { provide: SubscriptionResolver, useClass: BrokenSubscriptions },
          ],
        },
      });
    });
    afterAll(async () => {
      await app.close();
      await database.drop();
    });
    beforeEach(async () => {
      phone = new Device(app.url, 'alice');
      await phone.start();
    });

    it('costs a push the one change that it is asked about, which is refused in the end [W-HOST-50]', async () => {
      const task = await insertTask(database, 'alice', 'first');
      await consumed(database);
      await phone.sync();
      const verdicts: (string | undefined)[] = [];
      for (let push = 0; push < 6; push++) {
        const id = randomUUID();
        const { accepted, rejected } = await phone.push([
          { id: task, table_name: 'tasks', operation: 'update', data: { title: 'broken' } },
          { id, table_name: 'tasks', operation: 'create', data: { title: 'good', user_id: 'alice' } },
        ]);
        expect(accepted.map((result) => result.id)).toEqual([id]);
        verdicts.push(rejected[0]?.status);
      }
      expect(verdicts.slice(0, 4)).toEqual(Array(4).fill('rejected_retryable'));
      expect(verdicts.at(-1)).toBe('rejected_terminal');
    });

    it('costs no other user anything [W-HOST-50]', async () => {
      const answer = await new Device(app.url, 'mallory').send('register', {
        client_id: 'x',
        client_name: null,
        platform: 'test',
        app_version: '1.0.0',
        ...(await phone.schemaIds()),
      });
      expect(answer.status).toBe(503);
      await phone.sync();
    });
  },
);
