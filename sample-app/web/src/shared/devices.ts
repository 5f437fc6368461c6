export interface Device {
  readonly id: string;
  readonly user: 'alice' | 'bob';
  readonly name: string;
}

/** Each has a store of its own, as on three machines. */
export const DEVICES: readonly [Device, ...Device[]] = [
  { id: 'phone', user: 'alice', name: 'Alice’s phone' },
  { id: 'laptop', user: 'alice', name: 'Alice’s laptop' },
  { id: 'bobs-phone', user: 'bob', name: 'Bob’s phone' },
];

export const USER_NAMES: Readonly<Record<string, string>> = { alice: 'Alice', bob: 'Bob' };
