import { SynchroError } from '../../common/errors.js';

/** Reads the fields of one message of the replication stream, one after another. Used for each of millions of rows. */
export class MessageReader {
  /** @param position where in the buffer the message begins */
  constructor(
    private readonly buffer: Buffer,
    private position: number,
  ) {}

  uint8(): number {
    const byte = this.buffer[this.position++];
    if (byte === undefined) throw endsTooEarly();
    return byte;
  }

  uint16(): number {
    return this.uint8() * 0x1_00 + this.uint8();
  }

  uint32(): number {
    return this.uint16() * 0x1_00_00 + this.uint16();
  }

  uint64(): bigint {
    return this.buffer.readBigUInt64BE(this.advance(8));
  }

  text(length: number): string {
    const start = this.advance(length);
    return this.buffer.toString('utf8', start, start + length);
  }

  string(): string {
    const end = this.buffer.indexOf(0, this.position);
    const text = this.text(end - this.position);
    this.position++;
    return text;
  }

  skip(length: number): void {
    this.advance(length);
  }

  private advance(length: number): number {
    const start = this.position;
    this.position += length;
    if (length < 0 || this.position > this.buffer.length) throw endsTooEarly();
    return start;
  }
}

function endsTooEarly(): SynchroError {
  return new SynchroError('decode_failed', 'the replication stream sent a message that ends too early');
}
