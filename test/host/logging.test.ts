import { randomUUID } from 'node:crypto';
import type { LoggerService } from '@nestjs/common';
import { ConflictResolver, OwnershipResolver, type Conflict, type Resolution } from 'nestjs-synchro';
import { QueryFailedError } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { describeError } from '../../lib/common/describe-error.js';
import { SynchroError } from '../../lib/common/errors.js';
import { startApp, type RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertTask, retitle } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';

interface Line {
  readonly level: string;
  readonly entry: { readonly message: string; readonly [field: string]: unknown };
  readonly context: unknown;
}

const lines: Line[] = [];

class CapturingLogger implements LoggerService {
  readonly log = this.taking('log');
  readonly error = this.taking('error');
  readonly warn = this.taking('warn');
  readonly debug = this.taking('debug');

  private taking(level: string): (entry: unknown, context: unknown) => void {
    return (entry, context) => void lines.push({ level, entry: entry as Line['entry'], context });
  }
}

/** What an operator may not find in a log: a value of the user's, and what proves who they are. */
const SECRET = 'marker-5f1c';
const TOKEN = 'token-77ab';

class FailingConflictResolver extends ConflictResolver {
  override resolve(conflict: Conflict): Promise<Resolution> {
    throw new QueryFailedError('SELECT $1', [conflict.clientData], serverError('22P02', conflict.clientData));
  }
}

function serverError(code: string, value: string): Error {
  const message = code.startsWith('22')
    ? `invalid input syntax for type uuid: "${value}"`
    : 'a rule is broken';
  return Object.assign(new Error(message), {
    severity: 'ERROR',
    code,
    detail: `Key (email)=(${value}) already exists.`,
    where: `COPY t, line 1: "${value}"`,
    table: 'tasks',
    constraint: 'tasks_title_key',
  });
}

function messages(): readonly string[] {
  return lines.map(({ entry }) => entry.message);
}

function all(): string {
  return JSON.stringify(lines);
}

describe('the log', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let device: Device;

  beforeAll(async () => {
    database = await createDatabase();
    app = await startApp({
      database,
      synchro: {
        logger: new CapturingLogger(),
        providers: [
          { provide: ConflictResolver, useClass: FailingConflictResolver },
          { provide: OwnershipResolver, useClass: BrokenOwnership },
        ],
      },
    });
    await database.query('ALTER TABLE tasks ADD UNIQUE (title)');
    await database.query(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.title LIKE '%raise%' THEN RAISE EXCEPTION 'no %', NEW.title; END IF;
        IF NEW.title LIKE '%cast%' THEN PERFORM NEW.title::int; END IF;
        RETURN NEW;
      END $$`);
    await database.query(
      'CREATE TRIGGER refuse BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION refuse()',
    );
    device = new Device(app.url, 'alice', undefined, { headers: { Authorization: `Bearer ${TOKEN}` } });
    await device.schema();
    await device.register();
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  beforeEach(() => {
    lines.length = 0;
  });

  async function create(title: string): Promise<string | undefined> {
    const response = await device.push([
      { id: randomUUID(), table_name: 'tasks', operation: 'create', data: { user_id: 'alice', title } },
    ]);
    return response.rejected[0]?.reason_code;
  }

  it.each([
    [
      'breaks a constraint',
      SECRET,
      'create_failed',
      /SQLSTATE 23505 duplicate key.*\(schema public, table tasks/,
    ],
    ['makes a trigger raise', `${SECRET} raise`, 'create_failed', /SQLSTATE P0001$/],
    ['makes a cast fail', `${SECRET} cast`, 'invalid_data', /SQLSTATE 22P02$/],
  ])(
    'of a change that %s names the object, and neither the value nor the token',
    async (_, title, reason, text) => {
      if (reason === 'create_failed' && title === SECRET) await insertTask(database, 'bob', title);
      expect(await create(title)).toBe(reason);
      const [line] = lines.filter(({ entry }) => entry.message === 'rejected changes');
      expect(line).toMatchObject({
        level: 'warn',
        context: 'SynchroPush',
        entry: { count: 1, userId: 'alice' },
      });
      expect(line?.entry['first']).toMatch(text);
      expect(all()).not.toContain(SECRET);
      expect(all()).not.toContain(TOKEN);
    },
  );

  it('of a conflict resolver that fails has the record and the code', async () => {
    const id = await insertTask(database, 'alice', 'before');
    await retitle(database, id, 'after');
    await device.push([
      { id, table_name: 'tasks', operation: 'update', data: { title: SECRET }, base_updated_at: null },
    ]);
    expect(lines).toContainEqual({
      level: 'error',
      context: 'SynchroPush',
      entry: expect.objectContaining({
        message: 'the conflict resolver failed',
        table: 'tasks',
        recordId: id,
        error: 'SQLSTATE 22P02 (table tasks, constraint tasks_title_key)',
        stack: expect.stringContaining('logging.test.ts'),
      }),
    });
    expect(all()).not.toContain(SECRET);
  });

  it('of a request that fails has the place, and neither the value nor the token', async () => {
    await database.query(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION '%', NEW.client_name USING DETAIL = NEW.client_name; END $$`);
    await database.query(
      'CREATE TRIGGER fail BEFORE UPDATE ON sync_clients FOR EACH ROW EXECUTE FUNCTION fail()',
    );
    const answer = await device.send('register', {
      client_id: device.clientId,
      client_name: SECRET,
      platform: 'test',
      app_version: '1.0.0',
      ...(await device.schemaIds()),
    });
    await database.query('DROP TRIGGER fail ON sync_clients');
    expect(answer.status).toBe(500);
    expect(answer.text).not.toContain(SECRET);
    expect(messages()).toEqual(['a request failed']);
    expect(lines[0]?.entry).toMatchObject({
      error: 'SQLSTATE P0001',
      stack: expect.stringMatching(/^\s+at /),
    });
    expect(all()).not.toContain(SECRET);
    expect(all()).not.toContain(TOKEN);
  });

  it('of a consumer that fails has the code, and goes on', async () => {
    const id = await insertTask(database, 'alice', `${SECRET} in the consumer`);
    await eventually(() => messages().includes('consuming slot'));
    expect(lines).toContainEqual({
      level: 'error',
      context: 'SynchroWalConsumer',
      entry: {
        message: 'the WAL consumer stopped and will try again',
        error: 'SQLSTATE 08006 a rule is broken (table tasks, constraint tasks_title_key)',
      },
    });
    await eventually(async () => {
      const edges = await database.query('SELECT FROM sync_bucket_edges WHERE record_id = $1', [id]);
      return edges.length > 0;
    });
    expect(all()).not.toContain(SECRET);
  });
});

/** What the resolver failed of last, and the questions that it has failed. */
const lost = { title: '', questions: 0 };

/** Loses its connection over a row of the test's, and has none for the next question, whatever it is about. */
class BrokenOwnership extends OwnershipResolver {
  override resolveOwners(
    _table: string,
    rows: Parameters<OwnershipResolver['resolveOwners']>[1],
  ): Promise<readonly (readonly string[])[]> {
    const title = rows.find(({ data }) => data['title']?.includes('in the consumer'))?.data['title'];
    lost.title ||= title ?? '';
    if (lost.title !== '' && lost.questions < 2) {
      lost.questions++;
      throw serverError('08006', lost.title);
    }
    return Promise.resolve(rows.map(() => ['global']));
  }
}

describe('the description of an error', () => {
  it('is the message where it is ours or no database error', () => {
    const cause = serverError('22P02', SECRET);
    expect(describeError(new SynchroError('slot_lost', 'the slot is gone', undefined, { cause }))).toBe(
      'the slot is gone',
    );
    expect(describeError(new TypeError('x is not a function'))).toBe('x is not a function');
    expect(describeError('text')).toBe('text');
  });

  it.each(['22P02', '22003', 'P0001', 'XX000', '2F005'])('is no message with SQLSTATE %s', (code) => {
    expect(describeError(serverError(code, SECRET))).toBe(
      `SQLSTATE ${code} (table tasks, constraint tasks_title_key)`,
    );
  });

  it("is found through TypeORM's errors and through causes", () => {
    const driverError = serverError('23505', SECRET);
    const expected = 'SQLSTATE 23505 a rule is broken (table tasks, constraint tasks_title_key)';
    const failed = new QueryFailedError('INSERT', [SECRET], driverError);
    expect(describeError(failed)).toBe(expected);
    expect(describeError(new Error(`wrapped: ${SECRET}`, { cause: failed }))).toBe(expected);
  });
});
