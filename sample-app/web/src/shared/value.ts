import type { Observable } from 'nestjs-synchro-client';

/** A value of the page's own, observed as the client's are. */
export class Value<T> implements Observable<T> {
  private readonly listeners = new Set<() => void>();

  constructor(private value: T) {}

  readonly get = (): T => this.value;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  set(value: T): void {
    if (Object.is(value, this.value)) return;
    this.value = value;
    for (const listener of this.listeners) listener();
  }
}

/** A flag that outlives a reload, and is the same in all tabs. */
export class StoredFlag extends Value<boolean> {
  constructor(private readonly key: string) {
    super(localStorage.getItem(key) !== null);
    window.addEventListener('storage', (event) => {
      if (event.key === key || event.key === null) super.set(localStorage.getItem(key) !== null);
    });
  }

  override set(value: boolean): void {
    if (value) localStorage.setItem(this.key, '1');
    else localStorage.removeItem(this.key);
    super.set(value);
  }
}
