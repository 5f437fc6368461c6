import { ServiceUnavailableException } from '@nestjs/common';

/** A body that is being read: how much of it is in memory, and how its reading is ended. */
export interface BodyInProgress {
  readonly bytes: number;
  end(reason: ServiceUnavailableException): void;
}

/**
 * The memory of bodies from their first byte until they are answered: one that waits for its turn holds as much as
 * one that is still coming. When that is too much, the largest that is still coming is refused: senders of megabytes
 * that never finish meet each other, and the small bodies of idle pulls get through.
 */
export class BodyMemory {
  private readonly coming = new Set<BodyInProgress>();
  private total = 0;

  constructor(private readonly maxBytes: number) {}

  begin(body: BodyInProgress): void {
    this.coming.add(body);
  }

  grow(bytes: number): void {
    this.total += bytes;
    if (this.total <= this.maxBytes) return;
    const [first, ...others] = this.coming;
    const largest = others.reduce((most, each) => (most && most.bytes >= each.bytes ? most : each), first);
    if (largest && largest.bytes > SMALL)
      largest.end(new ServiceUnavailableException('too many large request bodies at once'));
  }

  /** It is there, or broken off: no other one can make it go any more. */
  end(body: BodyInProgress): void {
    this.coming.delete(body);
  }

  /** It was answered. */
  release({ bytes }: BodyInProgress): void {
    this.total -= bytes;
  }
}

/** Bytes. Bodies up to this size always get through: a user has few requests at a time. */
const SMALL = 64 * 1024;
