import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BeforeApplyEvent, SynchroHooks, WriteRejection } from '../../lib/index.js';
import { startApp, type RunningApp } from '../support/app.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertTask, retitle } from '../support/sample-rows.js';

let database: TestDatabase;
let app: RunningApp;
let user: string;
/** The one that pushes, and another one of the same user. */
let phone: Device;
let tablet: Device;
let hooks: Pick<SynchroHooks, 'beforeApply' | 'onPushAccepted'>;

beforeAll(async () => {
  Logger.overrideLogger(false);
  database = await createDatabase();
  app = await startApp({
    database,
    synchro: {
      providers: [],
      hooks: {
        beforeApply: (event) => hooks.beforeApply?.(event),
        onPushAccepted: (event) => hooks.onPushAccepted?.(event),
      },
    },
  });
});
beforeEach(async () => {
  hooks = {};
  user = `user-${randomUUID()}`;
  [phone, tablet] = [new Device(app.url, user), new Device(app.url, user)];
  for (const device of [phone, tablet]) await device.start();
});
afterAll(async () => {
  await app.close();
  await database.drop();
});

/** A task that both devices hold. */
async function heldTask(title: string): Promise<string> {
  const id = await insertTask(database, user, title);
  await consumed(database);
  for (const device of [phone, tablet]) await device.pull();
  return id;
}

async function pulledByTablet(): Promise<void> {
  await consumed(database);
  await tablet.pull();
  expect(tablet.snapshotReasons).toEqual([]);
}

async function stored(id: string): Promise<Record<string, unknown>> {
  const [row] = await database.query(
    `SELECT title, deleted_at IS NULL AS live, updated_at FROM tasks WHERE id = $1`,
    [id],
  );
  return row ?? {};
}

async function lastPush(): Promise<unknown> {
  const [row] = await database.query('SELECT last_push_at FROM sync_clients WHERE client_id = $1', [
    phone.clientId,
  ]);
  return row?.['last_push_at'];
}

/** A rule of a host's: what was edited within a minute is not deleted. */
function refuseYoung({ operation, current }: BeforeApplyEvent): WriteRejection | undefined {
  if (operation !== 'delete' || Date.now() - Date.parse(String(current?.['updated_at'])) > 60_000)
    return undefined;
  return { reason: 'edited_meanwhile', message: 'somebody has just edited it' };
}

describe('what one device pushes', () => {
  it('reaches the others, whatever becomes of the row: changed, deleted and restored [W-PUSH-8]', async () => {
    const id = await heldTask('first');
    phone.update('tasks', id, { title: 'changed' });
    await phone.pushPending();
    await pulledByTablet();
    expect(tablet.row('tasks', id)).toMatchObject({ title: 'changed' });
    const changed = (await stored(id))['updated_at'] as Date;

    phone.delete('tasks', id);
    await phone.pushPending();
    await pulledByTablet();
    expect(tablet.row('tasks', id)).toBeUndefined();
    const deleted = (await stored(id))['updated_at'] as Date;
    expect(deleted.getTime()).toBeGreaterThan(changed.getTime());

    const { accepted } = await phone.push([
      {
        id,
        table_name: 'tasks',
        operation: 'create',
        data: { user_id: user, title: 'restored' },
        client_updated_at: new Date(Date.now() + 60_000).toISOString(),
      },
    ]);
    expect(accepted).toHaveLength(1);
    const restored = (await stored(id))['updated_at'] as Date;
    expect(restored.getTime()).toBeGreaterThan(deleted.getTime());
    await pulledByTablet();
    expect(tablet.row('tasks', id)).toMatchObject({ title: 'restored', deleted_at: null });
  });

  it('reaches them also where a trigger of the host puts updated_at back [W-PUSH-8] [interleaving 12]', async () => {
    const id = await heldTask('first');
    await database.query(
      `CREATE FUNCTION put_back() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN NEW.updated_at := now() - interval '1 day'; RETURN NEW; END $$;
       CREATE TRIGGER put_back BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION put_back()`,
    );
    try {
      for (const title of ['second', 'third']) {
        phone.update('tasks', id, { title });
        const [answer] = await phone.pushPending();
        expect(answer?.rejected).toEqual([]);
        await pulledByTablet();
        expect(tablet.row('tasks', id)).toMatchObject({ title });
      }
    } finally {
      await database.query('DROP FUNCTION put_back CASCADE');
    }
  });
});

describe('a delete that was made offline', () => {
  it('wins over what was written meanwhile, and takes nothing of it away [W-PUSH-18]', async () => {
    const id = await heldTask('first');
    phone.delete('tasks', id);
    await retitle(database, id, 'written meanwhile');
    const [answer] = await phone.pushPending();
    expect(answer?.accepted).toMatchObject([{ id, status: 'applied' }]);
    expect(await stored(id)).toMatchObject({ live: false, title: 'written meanwhile' });
    await database.query('UPDATE tasks SET deleted_at = NULL WHERE id = $1', [id]);
    await consumed(database);
    for (const device of [phone, tablet]) {
      await device.pull();
      expect(device.row('tasks', id)).toMatchObject({ title: 'written meanwhile' });
    }
  });

  it('may be refused by the host, and the row comes back to the device [W-PUSH-18]', async () => {
    const id = await heldTask('first');
    hooks = { beforeApply: refuseYoung };
    phone.delete('tasks', id);
    await retitle(database, id, 'written meanwhile');
    const [answer] = await phone.pushPending();
    expect(answer?.rejected).toMatchObject([{ id, reason_code: 'edited_meanwhile' }]);
    expect(await stored(id)).toMatchObject({ live: true });
    expect(phone.row('tasks', id)).toMatchObject({ title: 'written meanwhile' });
  });
});

describe('the time of a device’s last push', () => {
  it('is written with its changes, or not at all [W-PUSH-22]', async () => {
    phone.create('tasks', { user_id: user, title: 'rolled back' });
    hooks = {
      onPushAccepted: () => {
        throw new Error('not now');
      },
    };
    await expect(phone.pushPending()).rejects.toMatchObject({ status: 500 });
    expect(await lastPush()).toBeNull();
    hooks = {};
    await phone.pushPending();
    expect(await lastPush()).toBeInstanceOf(Date);

    // The other way round: a push whose time can not be written has not happened.
    await database.query(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;
       CREATE TRIGGER refuse BEFORE UPDATE OF last_push_at ON sync_clients FOR EACH ROW EXECUTE FUNCTION refuse()`,
    );
    const id = phone.create('tasks', { user_id: user, title: 'not noted' });
    await expect(phone.pushPending()).rejects.toMatchObject({ status: 500 });
    await database.query('DROP FUNCTION refuse CASCADE');
    expect(await stored(id)).toEqual({});
    await phone.pushPending();
    expect(await stored(id)).toMatchObject({ title: 'not noted' });
  });
});
