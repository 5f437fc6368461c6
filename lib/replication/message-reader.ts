import { SynchroError } from '../common/errors.js';

/** Reads the fields of one message of the replication stream, one after another. */
export class MessageReader {
  private position = 0;

  constructor(private readonly buffer: Buffer) {}

  uint8(): number {
    return this.buffer.readUInt8(this.advance(1));
  }

  uint16(): number {
    return this.buffer.readUInt16BE(this.advance(2));
  }

  uint32(): number {
    return this.buffer.readUInt32BE(this.advance(4));
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
    if (length < 0 || this.position > this.buffer.length) {
      throw new SynchroError('decode_failed', 'the replication stream sent a message that ends too early');
    }
    return start;
  }
}
