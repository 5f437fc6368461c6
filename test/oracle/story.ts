import type { History } from './history.js';
import type { Exchange } from './exchange.js';
import { canonicalId } from './ids.js';
import type { Violation } from './violation.js';
import { tableOf, type GrantName, type TableName } from './world/tables.js';

/** Longest piece of an answer. */
const LENGTH = 600;

type Line = readonly [number, string];

/** What was said and done about a record, and by the device that it is about, in the order of time. */
export function storyOf(
  { table, id, phone }: Violation,
  history: History,
  exchanges: readonly Exchange[],
): string {
  if (table === '') return '';
  const lines = [
    ...versions(history, table as TableName, id),
    ...exchanges.flatMap((exchange) => [
      ...mentions(exchange, id),
      ...(exchange.phone === phone ? [steps(exchange)] : []),
    ]),
  ];
  const sorted = lines.toSorted(([a], [b]) => a - b).map(([time, text]) => `  ${time} ${text}`);
  return [...new Set(sorted)].join('\n');
}

/** What the record and those above it were, and who was granted what by them. */
function versions(history: History, table: TableName, id: string): readonly Line[] {
  const { parent, team, shared, watched, members } = tableOf(table);
  return history
    .of(table, id)
    .flatMap(({ from, to, row }): readonly Line[] => [
      [from, `until ${to} ${table} ${JSON.stringify(row)}`],
      ...(team ? grants(history, 'team_members', row[team]) : []),
      ...(shared ? grants(history, 'note_shares', row['id']) : []),
      ...(members ? grants(history, 'sheet_members', row['id']) : []),
      ...(watched && parent ? grants(history, 'watches', row[parent.fk]) : []),
      ...(parent ? versions(history, parent.table as TableName, String(row[parent.fk])) : []),
    ]);
}

function grants(history: History, grant: GrantName, what: unknown): readonly Line[] {
  return history
    .grants(grant, what)
    .map(({ from, to, row }) => [from, `until ${to} ${grant} ${JSON.stringify(row)}`]);
}

function mentions({ sent, received, phone, path, answer, body }: Exchange, id: string): readonly Line[] {
  const has = (text: string): boolean => text.toLowerCase().includes(canonicalId(id));
  if (!has(answer.text) && !has(JSON.stringify(body ?? ''))) return [];
  const records = answer.text.split('{').filter(has);
  const who = `${phone.userId} ${phone.clientId.slice(0, 4)} ${path}`;
  return [[sent, `${who} (until ${received}): ${answer.status} ${records.join('{').slice(0, LENGTH)}`]];
}

/** How the device went on. */
function steps({ sent, received, path, answer, body, lastPull }: Exchange): Line {
  const from = (body as { checkpoint?: unknown } | undefined)?.checkpoint;
  const { checkpoint, has_more, snapshot_reason, bucket_updates } = (answer.json ?? {}) as Record<
    string,
    unknown
  >;
  const told = { from, checkpoint, has_more, snapshot_reason, bucket_updates, lastPull };
  return [sent, `its ${path} (until ${received}): ${answer.status} ${JSON.stringify(told)}`];
}
