import { randomBytes, randomUUID } from 'node:crypto';

/** A table that the attacker may push, with columns of these types. */
export interface AttackTable {
  readonly name: string;
  readonly text: string;
  readonly integer: string;
  readonly numeric: string;
  readonly json: string;
}

/** What every body says. */
export interface AttackerIds {
  readonly client_id: string;
  readonly schema_version: number;
  readonly schema_hash: string;
}

/** A request that costs a server without bounds seconds or gigabytes. */
export interface Attack {
  readonly name: string;
  readonly path: 'register' | 'pull' | 'push' | 'snapshot';
  readonly body: string;
}

/**
 * Each kind of request that once took the service down. The largest are made once: they are what is sent that counts.
 * @param row a row of the attacker's, of 200 kB
 */
export function attacks(table: AttackTable, ids: AttackerIds, row: string): readonly Attack[] {
  const head = JSON.stringify(ids).slice(0, -1);
  const push = (name: string, changes: string): Attack => ({
    name,
    path: 'push',
    body: `${head},"changes":[${changes}]}`,
  });
  const create = (values: string): string =>
    `{"id":"${randomUUID()}","table_name":"${table.name}","operation":"create","data":{"${table.text}":"attack",${values}}}`;
  const pull = (name: string, members: string): Attack => ({
    name,
    path: 'pull',
    body: `${head},"checkpoint":1,${members}}`,
  });
  return [
    push('long-exponent', create(`"${table.numeric}":"1e${'0'.repeat(40_000)}x"`)),
    push('long-number', create(`"${table.integer}":1${'0'.repeat(80_000)}1`)),
    push('many-entries', '0,'.repeat(8_000_000).slice(0, -1)),
    push('some-entries', '0,'.repeat(9_000).slice(0, -1)),
    push('many-numbers', create(`"${table.json}":[${'1,'.repeat(3_000_000).slice(0, -1)}]`)),
    push('some-numbers', create(`"${table.json}":[${'1,'.repeat(200_000).slice(0, -1)}]`)),
    push(
      'many-failures',
      many(2_000, () => create(`"${table.integer}":99999999999`)),
    ),
    push(
      'half-failures',
      many(1_000, () => create(`"${table.integer}":1`) + ',' + create(`"${table.integer}":99999999999`)),
    ),
    push('expanding-json', create(`"${table.json}":[${'1e300,'.repeat(400_000).slice(0, -1)}]`)),
    push('deep-json', create(`"${table.json}":${JSON.stringify('['.repeat(2_000) + ']'.repeat(2_000))}`)),
    push('large-text', create(`"${table.json}":"${randomBytes(6_000_000).toString('base64')}"`)),
    push(
      'stale-updates',
      many(
        2_000,
        () =>
          `{"id":"${row}","table_name":"${table.name}","operation":"update","data":{"${table.integer}":1},"client_updated_at":"2001-01-01T00:00:00Z"}`,
      ),
    ),
    pull('many-buckets', `"known_buckets":[${'"",'.repeat(4_000_000).slice(0, -1)}]`),
    pull('unknown-table', '"tables":["nope"],"limit":1000'),
    pull('old-checkpoint', '"limit":1000'),
    { name: 'snapshot', path: 'snapshot', body: `${head},"limit":1000}` },
    {
      name: 'replayed-cursor',
      path: 'snapshot',
      body: `${head},"limit":1000,"cursor":{"checkpoint":1,"table_idx":0,"after_id":"${cursor(table)}"}}`,
    },
    { name: 'long-name', path: 'register', body: `${head},"client_name":"${'n'.repeat(15_000_000)}"}` },
  ];
}

/** Another device of the attacker's. */
export function registration(ids: AttackerIds): Attack {
  return {
    name: 'registration',
    path: 'register',
    body: JSON.stringify({ ...ids, client_id: randomUUID() }),
  };
}

function many(count: number, one: () => string): string {
  return Array.from({ length: count }, one).join(',');
}

function cursor({ name }: AttackTable): string {
  return Buffer.from(JSON.stringify([name, ''])).toString('base64url');
}
