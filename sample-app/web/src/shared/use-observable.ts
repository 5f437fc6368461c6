import { useSyncExternalStore } from 'react';
import type { Observable } from 'nestjs-synchro-client';

/** The value of one of the client's observables, or of the page's own; renders again when it changes. */
export function useObservable<Value>({ get, subscribe }: Observable<Value>): Value {
  return useSyncExternalStore(subscribe, get, get);
}
