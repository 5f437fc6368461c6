import type { WriteRejection } from '../settings/hook-events.js';

/** Thrown by a write validator: the record gets a terminal verdict with this reason. */
export class WriteRejectedError extends Error implements WriteRejection {
  override readonly name = 'WriteRejectedError';

  /**
   * @param reason short and stable, for programs, e.g. `task_locked`
   * @param message for people
   */
  constructor(
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}
