const [QUOTE, COMMA, BACKSLASH] = [0x22, 0x2c, 0x5c];
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Counts the levels and values of a body's first object while its bytes come, as `scanJson` does of a text. */
export class JsonCounter {
  nesting = 0;
  values = 0;
  private depth = 0;
  private inString = false;
  /** A backslash ended the chunk before. */
  private isEscaped = false;
  /** What follows the first object is ignored. */
  private isOver = false;

  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.isOver; at++) {
      if (this.inString) at = this.endOfString(bytes, at);
      else this.count(bytes[at]);
    }
  }

  private count(byte: number | undefined): void {
    if (byte === QUOTE) this.inString = true;
    else if (byte === COMMA) this.values++;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      this.values++;
      this.nesting = Math.max(this.nesting, ++this.depth);
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) this.isOver = --this.depth <= 0;
  }

  /** The position of the quote; past the end where the string goes on. */
  private endOfString(bytes: Uint8Array, from: number): number {
    let at = from;
    for (; at < bytes.length; at++) {
      const byte = bytes[at];
      if (this.isEscaped) this.isEscaped = false;
      else if (byte === BACKSLASH) this.isEscaped = true;
      else if (byte === QUOTE) {
        this.inString = false;
        break;
      }
    }
    return at;
  }
}
