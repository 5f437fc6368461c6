import { SynchroError } from '../../common/errors.js';
import { withoutPadding } from '../../common/canonical-id.js';
import type { Lsn } from '../../common/lsn.js';
import { BPCHAR } from '../tables/padded-type-sql.js';
import { MessageReader } from './message-reader.js';

/** A relation as the stream last described it; a new object after every DDL. */
export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly string[];
  /** Column name → its place in a {@link Tuple}. */
  readonly positions: ReadonlyMap<string, number>;
  /** Which columns are decoded; the others stay undefined in every tuple. */
  readonly decoded: readonly boolean[];
  /** Which columns' values lose their trailing blanks, as `char(n)` does wherever it becomes text. */
  readonly padded: readonly boolean[];
  /** Its replica identity: the columns that a delete, and an update that changes one of them, say the old values of. */
  readonly identity: ReadonlySet<string>;
}

/**
 * The text of each column, as a cast would give it; undefined for an unchanged TOASTed value and for columns that are
 * not decoded.
 */
export type Tuple = readonly (string | null | undefined)[];

export interface InsertMessage {
  readonly tag: 'insert';
  readonly relation: Relation;
  readonly next: Tuple;
}

export interface UpdateMessage {
  readonly tag: 'update';
  readonly relation: Relation;
  /** The old key, only when it changed, or the old row under REPLICA IDENTITY FULL. */
  readonly previous: Tuple | null;
  /** {@link previous} is the whole old row. */
  readonly isPreviousWhole: boolean;
  readonly next: Tuple;
}

export interface DeleteMessage {
  readonly tag: 'delete';
  readonly relation: Relation;
  readonly previous: Tuple;
}

export interface TruncateMessage {
  readonly tag: 'truncate';
  readonly relations: readonly Relation[];
}

export interface BeginMessage {
  readonly tag: 'begin';
  /** Where the commit record starts. */
  readonly commitLsn: Lsn;
  /** Microseconds since 1970. */
  readonly commitTime: bigint;
  /** Low 32 bits of the transaction id. */
  readonly xid: number;
}

export interface CommitMessage {
  readonly tag: 'commit';
  /** Where the commit record ends: what is stored and acknowledged. */
  readonly endLsn: Lsn;
}

export type RowMessage = InsertMessage | UpdateMessage | DeleteMessage;
export type WalMessage = BeginMessage | CommitMessage | RowMessage | TruncateMessage;

/** Chooses the columns of a relation that are decoded; null when its changes don't matter at all. */
export type ColumnChoice = (schema: string, name: string) => ReadonlySet<string> | 'all' | null;

/** The columns of a relation that are a `char(n)` in the guise of a domain, or hold keys of that type. */
export type PaddedColumns = (schema: string, name: string) => ReadonlySet<string>;

const POSTGRES_EPOCH_MICROS = 946_684_800_000_000n;

/**
 * Decodes pgoutput, protocol version 1 (PostgreSQL manual, "Logical Replication Message Formats"). Values stay text,
 * and become strings immediately: the next read overwrites their buffer.
 *
 * Messages without content for sync (origins, types, relations that are not followed) decode to null. An unknown
 * message throws `decode_failed`: skipping it could skip a change.
 */
export class PgoutputDecoder {
  /** null: a relation that was not chosen. */
  private readonly relations = new Map<number, Relation | null>();

  constructor(
    private readonly choose: ColumnChoice,
    private readonly paddedColumns: PaddedColumns = () => NO_COLUMNS,
  ) {}

  /** @param start where in the buffer the message begins */
  decode(buffer: Buffer, start = 0): WalMessage | null {
    const reader = new MessageReader(buffer, start);
    const tag = String.fromCharCode(reader.uint8());
    switch (tag) {
      case 'B':
        return {
          tag: 'begin',
          commitLsn: reader.uint64(),
          commitTime: readTime(reader),
          xid: reader.uint32(),
        };
      case 'C':
        reader.skip(1 + 8);
        return { tag: 'commit', endLsn: reader.uint64() };
      case 'R':
        this.rememberRelation(reader);
        return null;
      case 'I':
        return this.insert(reader);
      case 'U':
        return this.update(reader);
      case 'D':
        return this.delete(reader);
      case 'T':
        return this.truncate(reader);
      case 'O':
      case 'Y':
      case 'M':
        return null;
      default:
        throw new SynchroError('decode_failed', `the replication stream sent an unknown message "${tag}"`);
    }
  }

  private rememberRelation(reader: MessageReader): void {
    const oid = reader.uint32();
    const schema = reader.string();
    const name = reader.string();
    reader.skip(1);
    const known = this.paddedColumns(schema, name);
    const columns: string[] = [];
    const padded: boolean[] = [];
    const identity = new Set<string>();
    for (let left = reader.uint16(); left > 0; left--) {
      const flags = reader.uint8();
      const column = reader.string();
      columns.push(column);
      if ((flags & 1) === 1) identity.add(column);
      padded.push(reader.uint32() === BPCHAR || known.has(column));
      reader.skip(4);
    }
    const chosen = this.choose(schema, name);
    this.relations.set(
      oid,
      chosen && {
        oid,
        schema,
        name,
        columns,
        positions: new Map(columns.map((column, position) => [column, position])),
        decoded: columns.map((column) => chosen === 'all' || chosen.has(column)),
        padded,
        identity,
      },
    );
  }

  private insert(reader: MessageReader): InsertMessage | null {
    const relation = this.relation(reader.uint32());
    if (!relation) return null;
    reader.skip(1);
    return { tag: 'insert', relation, next: readTuple(reader, relation) };
  }

  private update(reader: MessageReader): UpdateMessage | null {
    const relation = this.relation(reader.uint32());
    if (!relation) return null;
    const kind = reader.uint8();
    const hasPrevious = kind !== 0x4e; // 'N': nothing before the new tuple
    const previous = hasPrevious ? readTuple(reader, relation) : null;
    if (hasPrevious) reader.skip(1);
    const isPreviousWhole = kind === 0x4f; // 'O', else 'K': the key alone
    return { tag: 'update', relation, previous, isPreviousWhole, next: readTuple(reader, relation) };
  }

  private delete(reader: MessageReader): DeleteMessage | null {
    const relation = this.relation(reader.uint32());
    if (!relation) return null;
    reader.skip(1);
    return { tag: 'delete', relation, previous: readTuple(reader, relation) };
  }

  private truncate(reader: MessageReader): TruncateMessage {
    const relations: Relation[] = [];
    let left = reader.uint32();
    reader.skip(1);
    for (; left > 0; left--) {
      const relation = this.relation(reader.uint32());
      if (relation) relations.push(relation);
    }
    return { tag: 'truncate', relations };
  }

  private relation(oid: number): Relation | null {
    const relation = this.relations.get(oid);
    if (relation === undefined) {
      throw new SynchroError(
        'decode_failed',
        `the replication stream changed relation ${oid} before describing it`,
      );
    }
    return relation;
  }
}

const NO_COLUMNS: ReadonlySet<string> = new Set();

function readTime(reader: MessageReader): bigint {
  return reader.uint64() + POSTGRES_EPOCH_MICROS;
}

function readTuple(reader: MessageReader, relation: Relation): Tuple {
  const { decoded, padded } = relation;
  const count = reader.uint16();
  const tuple: (string | null | undefined)[] = [];
  for (let position = 0; position < count; position++) {
    const kind = reader.uint8();
    if (kind === 0x6e) {
      tuple.push(null); // 'n'
    } else if (kind === 0x74) {
      const length = reader.uint32(); // 't'
      if (decoded[position] === true) {
        const text = reader.text(length);
        tuple.push(padded[position] === true ? withoutPadding(text) : text);
      } else {
        reader.skip(length);
        tuple.push(undefined);
      }
    } else if (kind === 0x75) {
      tuple.push(undefined); // 'u', an unchanged TOASTed value
    } else {
      throw new SynchroError(
        'decode_failed',
        `column ${relation.columns[position] ?? position} of ${relation.schema}.${relation.name} came as kind ${kind}`,
      );
    }
  }
  return tuple;
}
