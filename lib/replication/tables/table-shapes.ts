import { parsePgArray } from '../../database/pg-array-literal.js';
import type { Lsn } from '../../common/lsn.js';

/**
 * Fingerprints of a relation's properties that can change rows, or keep changes out of the stream, without a message
 * in the stream.
 */
export interface TableShape {
  /** The relation, and its entry in the publication: between two of them changes may have been left out. */
  readonly published: string;
  /** The columns that sync reads: under another one of that name, all rows may have other buckets. */
  readonly rules: string;
  /** The partitions and their files: one that is attached, detached, dropped or truncated is not in the stream. */
  readonly partitions: string;
  /** When each partition, by its OID, was attached: changes of a detached partition are in no stream. */
  readonly attached: Readonly<Record<string, string | null>>;
  /** All columns, and the files: both change together when ALTER TABLE rewrites every row. */
  readonly columns: string;
  readonly files: string;
  /** The same of the bucket sources. */
  readonly sources: string;
  /** How each column reads: see {@link ColumnReading}. */
  readonly readings: Readonly<Record<string, ColumnReading>>;
  /** The text forms of its types: each label of an enum, each composite's attributes. */
  readonly types: Readonly<Record<string, string>>;
}

/** Properties that decide how a column's stored bytes are read. */
export interface ColumnReading {
  /** `attnum`: a column that is dropped and added again has another one, one that is renamed keeps it. */
  readonly place: number;
  /** Its type, and what it is computed by when it is read. */
  readonly type: string;
  /** Where rows from before the column have a value in it that was never written; null: none has. */
  readonly fill: { readonly default: string; readonly values: readonly string[] } | null;
}

/** The shapes of the synced tables at a moment. */
export interface TableShapes {
  /** By the table's wire name. */
  readonly byTable: ReadonlyMap<string, TableShape>;
  /** Everything that was committed before is before this in the stream, too. */
  readonly lsn: Lsn;
}

/** How to resolve a table's rows again, by the changes that it may have had without an event. */
export type ReresolveMode =
  | 'none'
  /** The buckets of its rows are resolved again. */
  | 'resolve'
  /** Its rows may be others, too: those are announced whose `updated_at` is later than devices have seen it. */
  | 'compare'
  /** Its rows may have changed: they are all announced again. */
  | 'refresh';

/** @param stored null: the table was not resolved at that point of the stream yet */
export function reresolveModeFor(stored: TableShape | null, shape: TableShape): ReresolveMode {
  if (stored === null) return 'compare';
  const differs = (key: Exclude<keyof TableShape, 'attached' | 'readings' | 'types'>): boolean =>
    stored[key] !== shape[key];
  if (differs('published') || (differs('columns') && differs('files'))) return 'refresh';
  if (readsDifferently(stored, shape)) return 'refresh';
  const hasOtherPartitions = differs('partitions') || attachedSince(stored, shape).length > 0;
  return hasOtherPartitions || differs('rules') || differs('sources') ? 'compare' : 'none';
}

/** The OIDs of the partitions that came, or came back: under keys that devices know their rows may be others. */
export function attachedSince(stored: TableShape, { attached }: TableShape): readonly string[] {
  return Object.keys(attached).filter((oid) => stored.attached[oid] !== attached[oid]);
}

/**
 * Whether rows are read with other values without having been written: the stream has no such change (hazard
 * W-HOST-23). A new column changes no row, unless rows have a value in it already.
 */
function readsDifferently(stored: TableShape, shape: TableShape): boolean {
  const last = Math.max(0, ...Object.values(stored.readings).map(({ place }) => place));
  const column = Object.entries(shape.readings).some(([name, { place, type, fill }]) => {
    const before = stored.readings[name];
    if (!before) return place <= last || (fill !== null && !isPlain(fill));
    if (before.place !== place || before.type !== type) return true;
    return fill !== null && before.fill !== null && before.fill.default !== fill.default;
  });
  return column || Object.entries(shape.types).some(([key, text]) => (stored.types[key] ?? text) !== text);
}

/** Whether devices that add the column have the same value in their rows, by its default. */
function isPlain({ default: sql, values }: Exclude<ColumnReading['fill'], null>): boolean {
  const text = PLAIN_TEXT.exec(sql)?.[1]?.replaceAll("''", "'");
  const value = text ?? (sql === 'true' || sql === 'false' ? sql.charAt(0) : INTEGER.test(sql) ? sql : null);
  return values.length > 0 && values.every((each) => value !== null && parsePgArray(each)?.[0] === value);
}

const PLAIN_TEXT = /^'((?:[^'\\]|'')*)'::(?:text|character varying)$/;
const INTEGER = /^-?\d+$/;

/** The labels of all enums, by the OIDs of their rows in pg_enum. */
export function labelsOf({ byTable }: TableShapes): ReadonlyMap<string, string> {
  const types = [...byTable.values()].flatMap((shape) => Object.entries(shape.types));
  return new Map(
    types.flatMap(([key, text]) => (key.startsWith(LABEL) ? [[key.slice(LABEL.length), text] as const] : [])),
  );
}

/** Of the key in {@link TableShape.types}. */
export const LABEL = 'label ';

/** Whether anything at all is another. */
export function sameShapes(a: TableShapes, b: TableShapes): boolean {
  return JSON.stringify([...a.byTable]) === JSON.stringify([...b.byTable]);
}
