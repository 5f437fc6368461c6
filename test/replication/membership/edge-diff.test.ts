import { describe, expect, it } from 'vitest';
import { parseTimestamp } from '../../../lib/common/timestamp.js';
import {
  removeRow,
  applyRow,
  type NewEntry,
  type RecordEdges,
  type RowState,
} from '../../../lib/replication/membership/edge-diff.js';
import { Operation } from '../../../lib/store/changelog/operation.js';

const EARLY = '2026-01-01 12:00:00+00';
const NOW = '2026-01-01 13:00:00+00';
const micros = (text: string): bigint => parseTimestamp(text)?.micros ?? 0n;
const MILLISECOND = 1_000n;

/** A record in some buckets (false: dead) that devices may hold as of a time. */
function recordIn(edges: Readonly<Record<string, boolean>>, rowUpdatedAt: string | null = null): RecordEdges {
  return {
    edges: new Map(Object.entries(edges)),
    rowUpdatedAt,
    rowMicros: rowUpdatedAt === null ? null : micros(rowUpdatedAt),
    parentId: null,
  };
}

function row(buckets: readonly string[] | null, state: Partial<RowState> = {}): RowState {
  return {
    buckets,
    deleted: false,
    updatedAt: NOW,
    parentId: null,
    commitTime: micros(NOW),
    writtenAt: micros(NOW),
    cause: 'update',
    ...state,
  };
}

const create = (bucket: string, servedAt: bigint | null = null): NewEntry => ({
  bucket,
  operation: Operation.create,
  servedAt,
});
const update = (bucket: string, servedAt: bigint | null = null): NewEntry => ({
  bucket,
  operation: Operation.update,
  servedAt,
});
const remove = (bucket: string): NewEntry => ({ bucket, operation: Operation.delete, servedAt: null });

describe('applying a row', () => {
  it('announces a new row in each of its buckets, under its own time', () => {
    const record = recordIn({});
    expect(applyRow(record, row(['a', 'b'], { cause: 'insert' }))).toEqual([create('a'), create('b')]);
    expect(record).toEqual(recordIn({ a: true, b: true }, NOW));
  });

  it('gives the buckets that keep it an entry for a change', () => {
    const record = recordIn({ a: true }, EARLY);
    expect(applyRow(record, row(['a']))).toEqual([update('a')]);
    expect(record).toEqual(recordIn({ a: true }, NOW));
  });

  it('takes it from the buckets that it has left before it brings it to others [W-PULL-1]', () => {
    const record = recordIn({ a: true, b: true }, EARLY);
    expect(applyRow(record, row(['c', 'b']))).toEqual([
      remove('a'),
      create('c', micros(NOW) + MILLISECOND),
      update('b'),
    ]);
    expect(Object.fromEntries(record.edges)).toEqual({ b: true, c: true });
  });

  it('counts a bucket that is named twice once', () => {
    expect(applyRow(recordIn({}), row(['a', 'a'], { cause: 'insert' }))).toEqual([create('a')]);
  });

  it('leaves a row whose rule failed where it is, with entries for its buckets', () => {
    const record = recordIn({ a: true }, EARLY);
    expect(applyRow(record, row(null))).toEqual([update('a')]);
    expect(Object.fromEntries(record.edges)).toEqual({ a: true });
    expect(applyRow(recordIn({}), row(null))).toEqual([]);
  });

  it('says nothing of a row that is in no bucket', () => {
    expect(applyRow(recordIn({}), row([], { cause: 'insert' }))).toEqual([]);
  });

  it('has no entry for buckets that a row keeps when only its buckets were resolved again', () => {
    const record = recordIn({ a: true }, NOW);
    expect(applyRow(record, row(['a', 'b'], { cause: 'reresolved' }))).toEqual([
      create('b', micros(NOW) + MILLISECOND),
    ]);
  });
});

describe('applying a soft-deleted row', () => {
  it('takes it away and keeps its edges, dead', () => {
    const record = recordIn({ a: true }, EARLY);
    expect(applyRow(record, row(['a'], { deleted: true }))).toEqual([remove('a')]);
    expect(Object.fromEntries(record.edges)).toEqual({ a: false });
  });

  it('says nothing when it was dead already, except to the buckets that it leaves [W-WAL-13]', () => {
    const record = recordIn({ a: false }, EARLY);
    expect(applyRow(record, row(['a'], { deleted: true }))).toEqual([]);
    // A pull may have left out the delete that came before.
    expect(applyRow(record, row(['b'], { deleted: true }))).toEqual([remove('a')]);
    expect(Object.fromEntries(record.edges)).toEqual({ b: false });
  });

  it('says nothing when it was inserted as one [W-WAL-13]', () => {
    const record = recordIn({});
    expect(applyRow(record, row(['a'], { deleted: true, cause: 'insert' }))).toEqual([]);
    expect(Object.fromEntries(record.edges)).toEqual({ a: false });
  });

  it('brings it back when it is undeleted', () => {
    const record = recordIn({ a: false }, EARLY);
    expect(applyRow(record, row(['a']))).toEqual([create('a')]);
    expect(Object.fromEntries(record.edges)).toEqual({ a: true });
  });
});

describe('the time that is served with an entry', () => {
  it('is the commit, when the time of the row did not grow [interleaving 12]', () => {
    expect(applyRow(recordIn({ a: true }, EARLY), row(['a'], { updatedAt: EARLY }))).toEqual([
      update('a', micros(NOW)),
    ]);
    expect(
      applyRow(recordIn({ a: true }, EARLY), row(['a'], { updatedAt: '2025-01-01 00:00:00+00' })),
    ).toEqual([update('a', micros(NOW))]);
  });

  it('is past what devices may hold, even when that is ahead of the commit [interleaving 12]', () => {
    const ahead = '2026-01-01 14:00:00+00';
    expect(applyRow(recordIn({ a: true }, ahead), row(['a']))).toEqual([
      update('a', micros(ahead) + MILLISECOND),
    ]);
  });

  it('is the commit for a row that is new to a bucket without being new [interleaving 12]', () => {
    expect(applyRow(recordIn({ a: true }, EARLY), row(['a', 'b']))).toEqual([
      update('a'),
      create('b', micros(NOW) + MILLISECOND),
    ]);
    expect(applyRow(recordIn({}), row(['a'], { updatedAt: EARLY }))).toEqual([create('a', micros(NOW))]);
  });

  it('is the commit for an undeleted row whose time did not grow [interleaving 12]', () => {
    expect(applyRow(recordIn({ a: false }, NOW), row(['a']))).toEqual([
      create('a', micros(NOW) + MILLISECOND),
    ]);
  });

  it('is the commit for an insert whose own time is over a minute older [interleaving 12]', () => {
    const young = row(['a'], { cause: 'insert', updatedAt: '2026-01-01 12:59:00+00' });
    const old = row(['a'], { cause: 'insert', updatedAt: '2026-01-01 12:58:59.999999+00' });
    expect(applyRow(recordIn({}), young)).toEqual([create('a')]);
    expect(applyRow(recordIn({}), old)).toEqual([create('a', micros(NOW))]);
  });

  it('is the commit for a row whose time is not known', () => {
    const updatedAt = undefined;
    expect(applyRow(recordIn({}), row(['a'], { cause: 'insert', updatedAt }))).toEqual([
      create('a', micros(NOW)),
    ]);
    expect(applyRow(recordIn({ a: true }, EARLY), row(['a'], { updatedAt }))).toEqual([
      update('a', micros(NOW)),
    ]);
  });

  it('is that of its edges for a row without a time: of the commit that made it what it is [W-HOST-65]', () => {
    const inserted = recordIn({});
    expect(applyRow(inserted, row(['a'], { cause: 'insert', updatedAt: null }))).toEqual([create('a')]);
    expect(inserted.rowMicros).toBe(micros(NOW));
    const updated = recordIn({ a: true }, EARLY);
    expect(applyRow(updated, row(['a'], { updatedAt: null }))).toEqual([update('a')]);
    expect(updated.rowMicros).toBe(micros(NOW));
  });

  it('grows for a row without a time whose commits are told in another order than their times', () => {
    const record = recordIn({ a: true }, NOW);
    const earlier = row(['a'], { updatedAt: null, commitTime: micros(EARLY) });
    expect(applyRow(record, earlier)).toEqual([update('a', micros(NOW) + MILLISECOND)]);
  });

  it('says nothing of a row without a time whose buckets alone were looked at again', () => {
    const record = recordIn({ a: true }, EARLY);
    expect(applyRow(record, row(['a'], { updatedAt: null, cause: 'reresolved' }))).toEqual([]);
    expect(record.rowMicros).toBe(micros(EARLY));
    expect(applyRow(record, row(['a'], { updatedAt: null, cause: 'compared' }))).toEqual([update('a')]);
  });

  it('grows for a row that was deleted and inserted again with its former time [interleaving 12]', () => {
    const record = recordIn({ a: true }, NOW);
    expect(removeRow(record)).toEqual([remove('a')]);
    expect(applyRow(record, row(['a'], { cause: 'insert' }))).toEqual([
      create('a', micros(NOW) + MILLISECOND),
    ]);
  });

  it('leaves the latest time that devices may hold behind, in PostgreSQL’s own text', () => {
    const record = recordIn({ a: true }, NOW);
    applyRow(record, row(['a'], { updatedAt: EARLY }));
    expect(record.rowUpdatedAt).toBe(NOW);
    applyRow(record, row(['a'], { updatedAt: '2026-01-01 13:00:00.000001+00' }));
    expect(record.rowUpdatedAt).toBe('2026-01-01 13:00:00.000001+00');
  });
});

describe('removing a row', () => {
  it('gives the buckets that still saw it an entry, and forgets all of them', () => {
    const record = recordIn({ a: true, b: false });
    expect(removeRow(record)).toEqual([remove('a')]);
    expect(record.edges.size).toBe(0);
    expect(removeRow(record)).toEqual([]);
  });
});
