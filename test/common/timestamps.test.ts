import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseTimestamp } from '../../lib/common/timestamp.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Random } from '../support/random.js';

const EDGES = [
  '1969-12-31 23:59:59.999999+00',
  '1970-01-01 00:00:00+00',
  '2024-02-29T12:00:00Z',
  '2025-02-28T23:59:59.9Z',
  '2026-04-30 00:00:00.000001+00',
  '2026-12-31T23:59:59.999999Z',
  '2255-06-05 23:47:34.740991+00',
  '2255-06-05 23:47:34.740993+00',
  '9999-12-31 23:59:59.999999+00',
];

/** What looks like the usual forms, and is no time. */
const NO_TIMES = [
  '2026-02-29T12:00:00Z',
  '2026-02-30 12:00:00+00',
  '2026-04-31T12:00:00Z',
  '2026-13-01T12:00:00Z',
  '2026-00-10T12:00:00Z',
  '2026-01-00T12:00:00Z',
  '2026-01-01T25:00:00Z',
  '2026-01-01T12:60:00Z',
  '2026-01-01T12:00:61Z',
  '2026-01-01T12:00:00.Z',
  '2026-01-01T12:00:0xZ',
  '2026-01-01x12:00:00Z',
  '2026/01/01T12:00:00Z',
  '2026-01-01T12.00:00Z',
  '2026-01-01T12:00:00,5Z',
  '2026-01-01T12:00:00.5.5Z',
  '2026-01-01T12:00:00.12345678901Z',
  ' 26-01-01T12:00:00Z',
  '',
  'Z',
  '+00',
];

describe('a time as text', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database.drop());

  it('means to sync what it means to PostgreSQL, in the usual forms and near their ends', async () => {
    const random = new Random(20_261_127);
    const texts = [...EDGES, ...Array.from({ length: 3_000 }, () => timeText(random))];
    const rows = await database.query<{ micros: string }>(
      `SELECT (extract(epoch FROM text::timestamptz) * 1000000)::bigint::text AS micros
         FROM unnest($1::text[]) WITH ORDINALITY AS t (text, n) ORDER BY n`,
      [texts],
    );
    const read = texts.map((text) => [text, parseTimestamp(text)?.micros.toString()]);
    expect(read).toEqual(texts.map((text, n) => [text, rows[n]?.micros]));
  });

  it.each([
    ['2026-01-01T12:00:00Z', 0],
    ['2026-01-01T12:00:00.5Z', 1],
    ['2026-01-01T12:00:00.123456Z', 6],
    ['2026-01-01 12:00:00+00', 0],
    ['2026-01-01 12:00:00.120+00', 3],
    ['2026-01-01 12:00', 0],
  ])('%j has a fraction of %i digits', (text, digits) => {
    expect(parseTimestamp(text)?.digits).toBe(digits);
  });

  it.each(NO_TIMES)('%j is none', (text) => {
    expect(parseTimestamp(text)).toBeNull();
  });
});

/** Of any day between 1900 and 2300, in one of the forms that devices and PostgreSQL write. */
function timeText(random: Random): string {
  const day = random.below(400 * 365) - 70 * 365;
  const date = new Date((day * 86_400 + random.below(86_400)) * 1000).toISOString().slice(0, 19);
  const digits = random.below(7);
  const fraction = String(random.below(10 ** digits)).padStart(digits, '0');
  const zone = random.pick(['Z', '+00', '+00:00', '-05:30']);
  return `${date.replace('T', random.pick(['T', ' ']))}${digits === 0 ? '' : `.${fraction}`}${zone}`;
}
