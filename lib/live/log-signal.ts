import { Injectable } from '@nestjs/common';

/** Connects the WAL consumer of this instance with the live channel. */
@Injectable()
export class LogSignal {
  private listener: () => void = () => undefined;

  /** Announces that the log has grown; the consumer calls it once a pull can read the entries, and not before. */
  grown(): void {
    this.listener();
  }

  /** Replaces the listener: there is one at most. */
  onGrown(listener: () => void): void {
    this.listener = listener;
  }
}
