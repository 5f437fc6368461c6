import type {
  BeforeApplyEvent,
  CompactionEvent,
  ConflictEvent,
  PullCompleteEvent,
  PushAcceptedEvent,
  SchemaIncompatibleEvent,
  SnapshotRequiredEvent,
  StaleClientEvent,
  WriteRejection,
} from './hook-events.js';

type Handler<Event, Answer = void> = (event: Event) => Answer | Promise<Answer>;

/**
 * Hooks of the host as plain callbacks; all optional. Decorators on methods of any provider do the same:
 * `@OnPushAccepted()`, `@OnConflict()`, … Where there are several, the callback comes first, then the methods.
 *
 * `onConflict`, `onPullComplete`, `onSchemaIncompatible`, `onCompaction` and `onSnapshotRequired` only inform: an
 * error of theirs is logged, and the request goes on.
 */
export interface SynchroHooks {
  /**
   * Within the push's transaction, after all changes have their verdicts, if any was accepted. A throw rolls the whole
   * push back (answered 500, or what an `HttpException` says): the device keeps its changes and sends them again. Runs
   * once more if PostgreSQL makes the push run again (a deadlock, a serialization failure).
   */
  readonly onPushAccepted?: Handler<PushAcceptedEvent>;
  /**
   * After a push was committed, for each change that met another version of its row than the one that it was made
   * from, or that lost. Can't change the resolution.
   */
  readonly onConflict?: Handler<ConflictEvent>;
  /** After a pull, unless the device has to take a snapshot. */
  readonly onPullComplete?: Handler<PullCompleteEvent>;
  /** A client's app is below `minClientVersion`, and is refused (426). */
  readonly onSchemaIncompatible?: Handler<SchemaIncompatibleEvent>;
  /**
   * Before a pull, a push and a snapshot page of a device that has synced before. `false` refuses the request (410),
   * a throw fails it.
   */
  readonly onStaleClient?: Handler<StaleClientEvent, boolean>;
  /** After a compaction run, by hand or on the interval. */
  readonly onCompaction?: Handler<CompactionEvent>;
  /** A pull was answered that the device must rebuild from a snapshot; not for a device's first one. */
  readonly onSnapshotRequired?: Handler<SnapshotRequiredEvent>;
  /**
   * The write validator: before each write of a push. An answer with a reason, a thrown {@link WriteRejectedError} or
   * an `HttpException` with a 4xx status make a terminal verdict of it, and the device goes back to the server's
   * version; the other changes are not touched. Anything else that is thrown is an error of the host's: it is logged,
   * and the device keeps the change and sends it again.
   */
  readonly beforeApply?: Handler<BeforeApplyEvent, WriteRejection | void>;
}

export type HookName = keyof SynchroHooks;
export type HookHandler<Name extends HookName> = NonNullable<SynchroHooks[Name]>;
