import { describe, expect, it } from 'vitest';
import {
  PgoutputDecoder,
  type ColumnChoice,
  type PaddedColumns,
} from '../../../lib/replication/stream/pgoutput.js';

const POSTGRES_EPOCH_MICROS = 946_684_800_000_000n;

const byte = (text: string): Buffer => Buffer.from(text, 'latin1');
const int8 = (value: number): Buffer => Buffer.from([value]);
function int16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeUInt16BE(value);
  return buffer;
}
function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
}
function int64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(value);
  return buffer;
}
const string = (text: string): Buffer => Buffer.from(`${text}\0`);
const message = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts);

function relation(oid: number, schema: string, name: string, columns: readonly string[]): Buffer {
  return message(
    byte('R'),
    int32(oid),
    string(schema),
    string(name),
    byte('d'),
    int16(columns.length),
    ...columns.flatMap((column) => [int8(0), string(column), int32(25), int32(0xffffffff)]),
  );
}

/** A tuple: text, null for NULL, undefined for an unchanged TOASTed value. */
function tuple(...values: readonly (string | null | undefined)[]): Buffer {
  const columns = values.map((value) => {
    if (value === undefined) return byte('u');
    if (value === null) return byte('n');
    const text = Buffer.from(value);
    return message(byte('t'), int32(text.length), text);
  });
  return message(int16(values.length), ...columns);
}

const TASKS = relation(7, 'public', 'tasks', ['id', 'title', 'user_id']);

/** A decoder that knows `public.tasks`. */
function decoder(choose: ColumnChoice = () => 'all', padded?: PaddedColumns): PgoutputDecoder {
  const made = new PgoutputDecoder(choose, padded);
  made.decode(TASKS);
  return made;
}

describe('the pgoutput decoder', () => {
  it('reads where a commit record begins and ends, and when the commit was, to the microsecond', () => {
    const begin = message(byte('B'), int64(0x1_0000_0010n), int64(1_234_567n), int32(0xfffffffe));
    expect(decoder().decode(begin)).toEqual({
      tag: 'begin',
      commitLsn: 0x1_0000_0010n,
      commitTime: POSTGRES_EPOCH_MICROS + 1_234_567n,
      xid: 0xfffffffe,
    });
    const commit = message(byte('C'), int8(0), int64(0x10n), int64(0x40n), int64(0n));
    expect(decoder().decode(commit)).toEqual({ tag: 'commit', endLsn: 0x40n });
  });

  it('keeps every value as the text that it is [W-DATA-1]', () => {
    const insert = message(byte('I'), int32(7), byte('N'), tuple('9007199254740993', 'žluťoučký 🐎', null));
    expect(decoder().decode(insert)).toMatchObject({
      tag: 'insert',
      relation: { schema: 'public', name: 'tasks' },
      next: ['9007199254740993', 'žluťoučký 🐎', null],
    });
  });

  it('distinguishes a value that was not sent from NULL and from the empty text', () => {
    const update = message(byte('U'), int32(7), byte('N'), tuple('1', undefined, ''));
    expect(decoder().decode(update)).toMatchObject({ previous: null, next: ['1', undefined, ''] });
  });

  it.each(['K', 'O'])('reads what was there before an update (%s)', (kind) => {
    const update = message(
      byte('U'),
      int32(7),
      byte(kind),
      tuple('old', null, null),
      byte('N'),
      tuple('new', 't', 'alice'),
    );
    expect(decoder().decode(update)).toMatchObject({
      tag: 'update',
      previous: ['old', null, null],
      next: ['new', 't', 'alice'],
    });
  });

  it.each(['K', 'O'])('reads what was deleted (%s)', (kind) => {
    const deleted = message(byte('D'), int32(7), byte(kind), tuple('1', null, null));
    expect(decoder().decode(deleted)).toMatchObject({ tag: 'delete', previous: ['1', null, null] });
  });

  it('reads all relations of a TRUNCATE, but those that nobody chose', () => {
    const made = decoder((_, name) => (name === 'ignored' ? null : 'all'));
    made.decode(relation(8, 'public', 'ignored', ['id']));
    made.decode(relation(9, 'other', 'tasks', ['id']));
    const truncate = message(byte('T'), int32(3), int8(1), int32(7), int32(8), int32(9));
    expect(made.decode(truncate)).toMatchObject({
      tag: 'truncate',
      relations: [
        { schema: 'public', name: 'tasks' },
        { schema: 'other', name: 'tasks' },
      ],
    });
  });

  it('decodes only the columns that were chosen, and nothing of other relations', () => {
    const made = decoder((_, name) => (name === 'tasks' ? new Set(['id']) : null));
    made.decode(relation(8, 'public', 'ignored', ['id']));
    const values = message(byte('N'), tuple('1', 'title', 'alice'));
    expect(made.decode(message(byte('I'), int32(7), values))).toMatchObject({
      next: ['1', undefined, undefined],
    });
    expect(made.decode(message(byte('I'), int32(8), values))).toBeNull();
  });

  it('takes a relation as it was last described', () => {
    const made = decoder();
    made.decode(relation(7, 'public', 'todos', ['user_id', 'id']));
    const insert = message(byte('I'), int32(7), byte('N'), tuple('alice', '1'));
    expect(made.decode(insert)).toMatchObject({
      relation: { name: 'todos', columns: ['user_id', 'id'] },
      next: ['alice', '1'],
    });
  });

  it('keeps no piece of the buffer, which is overwritten by the next read', () => {
    const insert = message(byte('I'), int32(7), byte('N'), tuple('1', 'title', 'alice'));
    const decoded = decoder().decode(insert);
    insert.fill(0);
    expect(decoded).toMatchObject({ next: ['1', 'title', 'alice'] });
  });

  it.each(['O', 'Y', 'M'])('passes over what carries no change (%s)', (tag) => {
    expect(decoder().decode(message(byte(tag), Buffer.alloc(20)))).toBeNull();
  });

  it.each([
    ['an unknown message', message(byte('X'), int32(7))],
    ['a streamed piece of an open transaction', message(byte('S'), int32(7), int8(1))],
    ['a change of a relation that was never described', message(byte('I'), int32(99), byte('N'), tuple('1'))],
    ['a binary value', message(byte('I'), int32(7), byte('N'), int16(1), byte('b'), int32(1), int8(1))],
  ])('stops at %s, which it must not skip [W-WAL-6]', (_, undecodable) => {
    expect(() => decoder().decode(undecodable)).toThrow(expect.objectContaining({ code: 'decode_failed' }));
  });

  it.each([
    ['a change', message(byte('I'), int32(7), byte('N'), tuple('1', 'title', 'alice'))],
    ['a description', TASKS],
    ['a commit', message(byte('C'), int8(0), int64(0x10n), int64(0x40n))],
  ])('stops at %s that ends too early [W-WAL-6]', (_, whole) => {
    decoder().decode(whole);
    for (let length = 0; length < whole.length; length++) {
      expect(() => decoder().decode(whole.subarray(0, length)), `${length} bytes`).toThrow(
        expect.objectContaining({ code: 'decode_failed' }),
      );
    }
  });
});
