import { groupBy } from '../../../common/collections.js';
import type { Write } from './judge.js';
import { numberToken } from '../values/numbers.js';
import type { PushRows } from '../sql/push-rows.js';
import { parseRow } from '../values/writable-columns.js';

/**
 * The writes that may only hold together, as a transaction's with deferred constraints: a row with those that it
 * needs, which refer back to it, or two that swap a unique value. Each write failed alone. A write takes along those
 * that it needs, not the other way round, so that a bad one spoils no write that is good without it.
 */
export function closures(writes: readonly Write[], rows: PushRows): readonly (readonly Write[])[] {
  const needs = needsOf(writes, rows);
  return distinct(writes.map((write) => [...reachable(write, needs)]));
}

/** Those that a deferred trigger or an exclusion constraint may judge together: that have an id in common; then all. */
export function clusters(writes: readonly Write[]): readonly (readonly Write[])[] {
  return distinct([...components(writes).map((group) => [...group]), [...writes]]);
}

/** Each group once, in the order of arrival; one write is none. */
function distinct(groups: readonly (readonly Write[])[]): readonly (readonly Write[])[] {
  const found = new Map<string, readonly Write[]>();
  for (const group of groups) {
    const sorted = group.toSorted((a, b) => a.item.index - b.item.index);
    if (sorted.length > 1) found.set(sorted.map(({ item }) => item.index).join(), sorted);
  }
  return [...found.values()];
}

type Needs = ReadonlyMap<Write, readonly Write[]>;

/** Which of the others has to be written for each: the row that it refers to, or the one that has its unique value. */
function needsOf(writes: readonly Write[], rows: PushRows): Needs {
  const byId = groupBy(writes, ({ item }) => item.id);
  const byStored = groupBy(
    writes.flatMap((write) => storedValues(write).map((value) => ({ write, value }))),
    ({ value }) => value,
  );
  const byKey = groupBy(writes, ({ item }) => item.key);
  return new Map(
    writes.map((write) => {
      const parent = byKey.get(rows.parentKey(write.item) ?? '') ?? [];
      const others = sentValues(write).flatMap(({ name, text }) => [
        ...(byId.get(text) ?? []),
        ...(byStored.get(valueKey(write, name, text)) ?? []).map((stored) => stored.write),
      ]);
      return [write, [...new Set([...parent, ...others])].filter((other) => other !== write)];
    }),
  );
}

function reachable(start: Write, needs: Needs): ReadonlySet<Write> {
  const found = new Set([start]);
  for (const write of found) for (const other of needs.get(write) ?? []) found.add(other);
  return found;
}

/** Writes that have an id in common, in any column. */
function components(writes: readonly Write[]): readonly ReadonlySet<Write>[] {
  const groupOf = new Map<Write, Set<Write>>();
  const byId = new Map<string, Write>();
  for (const write of writes) {
    groupOf.set(write, new Set([write]));
    const ids = [write.item.id, ...sentValues(write).flatMap(({ text, isId }) => (isId ? text : []))];
    for (const id of ids) {
      const group = groupOf.get(byId.get(id) ?? write);
      byId.set(id, write);
      const own = groupOf.get(write);
      if (!group || !own || group === own) continue;
      for (const member of own) groupOf.set(member, group.add(member));
    }
  }
  return [...new Set(groupOf.values())];
}

interface SentValue {
  readonly name: string;
  readonly text: string;
  /** Of a type that keys have. */
  readonly isId: boolean;
}

function sentValues({ item, columns }: Write): readonly SentValue[] {
  return columns.flatMap(({ name, baseType }) => {
    const text = textOf(item.data?.get(name));
    return text === null ? [] : { name, text, isId: baseType === item.table.primaryKey.baseType };
  });
}

function storedValues(write: Write): readonly string[] {
  if (!write.row) return [];
  return Object.entries(parseRow(write.row)).flatMap(([name, value]) => {
    const text = textOf(value);
    return text === null ? [] : valueKey(write, name, text);
  });
}

function valueKey({ item }: Write, column: string, text: string): string {
  return JSON.stringify([item.table.table.name, column, text]);
}

/** Long texts are neither keys nor unique. */
function textOf(value: unknown): string | null {
  const text = typeof value === 'string' ? value : numberToken(value);
  return text !== null && text.length <= 200 ? text : null;
}
