import { ConsoleLogger, Logger } from '@nestjs/common';
import { afterEach, expect, it, vi } from 'vitest';
import { describeError } from '../../lib/common/describe-error.js';
import { printable, withoutPasswords } from '../../lib/common/printable.js';
import { SyncLogger } from '../../lib/common/sync-logger.js';

afterEach(() => Logger.overrideLogger(new ConsoleLogger()));

it.each([
  ['postgres://me:hunter2@db/app', 'postgres://me:***@db/app'],
  ['postgres://me:p@ss/w#rd@db/app', 'postgres://me:***@db/app'],
  ['postgres://me:hun%40ter2@db/app', 'postgres://me:***@db/app'],
  [
    'postgres://db/app?user=me&password=hunter2&sslmode=require',
    'postgres://db/app?user=me&password=***&sslmode=require',
  ],
  ['postgres://db/app?sslpassword=hunter2', 'postgres://db/app?sslpassword=***'],
  ['postgres://db/app?%70assword=hunter2', 'postgres://db/app?%70assword=***'],
  ['host=db user=me password=hunter2 dbname=app', 'host=db user=me password=*** dbname=app'],
  [String.raw`host=db password = 'hun\'ter 2' dbname=app`, 'host=db password = *** dbname=app'],
  ['host=db PASSWORD=hunter2', 'host=db PASSWORD=***'],
  ['two: amqp://a:hunter2@x and redis://:hunter2@y', 'two: amqp://a:***@x and redis://:***@y'],
  ['postgres://me:hun ter2@db/app', 'postgres://me:***@db/app'],
  [`postgres://me:hun'te"r<2>@db/app`, 'postgres://me:***@db/app'],
  [String.raw`postgres:\/\/me:hunter2@db`, String.raw`postgres:\/\/me:***@db`],
  ['jdbc:postgresql://db/app?user=a;password=hunter2', 'jdbc:postgresql://db/app?user=a;password=***'],
  ['Server=db;Pwd=hunter2;Uid=me', 'Server=db;Pwd=***;Uid=me'],
  ['host=db password="hunter 2" dbname=app', 'host=db password=*** dbname=app'],
  [`host=db password=h&n'te"r2 dbname=app`, 'host=db password=*** dbname=app'],
  [String.raw`host=db password=hun\ ter2 dbname=app`, 'host=db password=*** dbname=app'],
  ['PGPASSWORD="hunter2" psql', 'PGPASSWORD=*** psql'],
  ['{"user":"me","password":"hunter2","port":5432}', '{"user":"me","password":***,"port":5432}'],
  [String.raw`{\"password\":\"hunter2\",\"port\":5432}`, String.raw`{\"password\":***,\"port\":5432}`],
  [`{ password: 'hunter2', port: 5432 }`, '{ password: ***, port: 5432 }'],
  ['password: hunter2', 'password: ***'],
  [`ALTER ROLE me PASSWORD 'hun''ter2' LOGIN`, 'ALTER ROLE me PASSWORD *** LOGIN'],
])('passwords of %s are masked [W-LOAD-10]', (text, masked) => {
  expect(withoutPasswords(text)).toBe(masked);
  expect(printable(text, 1000)).toBe(masked);
  expect(describeError(new Error(text))).toBe(masked);
});

it.each([
  'https://example.com:8443/keys',
  'no password in here: a@b',
  'passwords are=not shown',
  'password authentication failed for user "me"',
  'http://a:8080 as me@b',
])('%s stays as it is', (text) => expect(withoutPasswords(text)).toBe(text));

it.each([
  ['\u001b[2Jgone', String.raw`\u001b[2Jgone`],
  ['a\u0085b', String.raw`a\u0085b`],
  ['a\nb\r\u2028c\u2029', String.raw`a\u000ab\u000d\u2028c\u2029`],
  ['admin\u202etxt', String.raw`admin\u202etxt`],
  ['\u2066a\u200b\ufeff', String.raw`\u2066a\u200b\ufeff`],
  ['\u{e0041}', String.raw`\u{e0041}`],
  ['\u0000\u007f\ud800', String.raw`\u0000\u007f\ud800`],
])('what a terminal obeys in %j is escaped [W-LOAD-11]', (text, escaped) => {
  expect(printable(text, 100)).toBe(escaped);
});

it("an id of a device's is cut, and forges no line or field, in both forms of the log [W-LOAD-11]", () => {
  const clientId = `x" level=fatal\n\u001b[31m${'y'.repeat(10_000)}`;
  const lines: string[] = [];
  Logger.overrideLogger({
    log: () => {},
    error: () => {},
    warn: (line: unknown) => void lines.push(String(line)),
  });
  new SyncLogger(undefined, 'Test').warn('rejected changes', { clientId, userId: 'alice' });
  const host = { log: vi.fn(), error: vi.fn(), warn: vi.fn() };
  new SyncLogger(host, 'Test').warn('rejected changes', { clientId, count: 3n });
  const [[entry] = []] = host.warn.mock.calls as { clientId: string }[][];
  for (const text of [lines[0] ?? '', entry?.clientId ?? '']) {
    expect(text.length).toBeLessThan(500);
    expect(text).not.toMatch(/\p{Cc}/u);
    expect(text).toContain('of 10020 characters');
  }
  expect(lines[0]).toMatch(/ userId=alice$/);
  expect(lines[0]).toContain(String.raw`clientId="x\" level=fatal`);
  expect(entry).toMatchObject({ message: 'rejected changes', count: '3' });
});
