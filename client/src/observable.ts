/** A value that changes: fits React's `useSyncExternalStore`, and the signals and stores of other frameworks. */
export interface Observable<Value> {
  /** The value now; the same object until it changes. A function of its own, which can be passed on. */
  readonly get: () => Value;
  /** Calls `listener` after each change; can be passed on, too. @returns what ends that */
  readonly subscribe: (listener: () => void) => () => void;
}

/** Calls a set of listeners; one that throws does not keep the others from being called. */
export class Listeners<Args extends readonly unknown[] = []> {
  private readonly listeners = new Set<(...args: Args) => void>();

  get size(): number {
    return this.listeners.size;
  }

  add(listener: (...args: Args) => void): () => void {
    // A listener that is added twice is called twice, and each `stop` ends its own.
    const own = (...args: Args): void => listener(...args);
    this.listeners.add(own);
    return () => {
      this.listeners.delete(own);
    };
  }

  call(...args: Args): void {
    for (const listener of this.listeners) {
      try {
        listener(...args);
      } catch (error) {
        reportError(error);
      }
    }
  }
}

/** Reports an error as the platform does for an event listener: the app's handlers of uncaught errors see it. */
function reportError(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** An {@link Observable} that its owner sets. */
export class Variable<Value> implements Observable<Value> {
  private readonly listeners = new Listeners();

  constructor(private value: Value) {}

  get = (): Value => this.value;

  subscribe = (listener: () => void): (() => void) => this.listeners.add(listener);

  set(value: Value): void {
    if (Object.is(value, this.value)) return;
    this.value = value;
    this.listeners.call();
  }
}
