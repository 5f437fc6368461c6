import { ServiceUnavailableException } from '@nestjs/common';

/** A body that is being read: how much of it is in memory, and how its reading is ended. */
export interface BodyInProgress {
  readonly bytes: number;
  end(reason: ServiceUnavailableException): void;
}

/**
 * What the bodies that are being read at one time hold. The largest has to go when that is too much: those who send
 * megabytes and never finish meet each other, and the small bodies of idle pulls get through.
 */
export class BodyMemory {
  private readonly bodies = new Set<BodyInProgress>();
  private total = 0;

  constructor(private readonly maxBytes: number) {}

  begin(body: BodyInProgress): void {
    this.bodies.add(body);
  }

  grow(bytes: number): void {
    this.total += bytes;
    if (this.total <= this.maxBytes) return;
    const [first, ...others] = this.bodies;
    const largest = others.reduce((most, each) => (most && most.bytes >= each.bytes ? most : each), first);
    largest?.end(new ServiceUnavailableException('too many large request bodies at once'));
  }

  end(body: BodyInProgress): void {
    if (this.bodies.delete(body)) this.total -= body.bytes;
  }
}
