import { Injectable } from '@nestjs/common';

/** By which the WAL consumer of this instance says that the log has grown. */
@Injectable()
export class LogSignal {
  private listener: () => void = () => undefined;

  /** To be called once what was appended can be pulled, and not before. */
  grown(): void {
    this.listener();
  }

  /** There is one listener at most. */
  onGrown(listener: () => void): void {
    this.listener = listener;
  }
}
