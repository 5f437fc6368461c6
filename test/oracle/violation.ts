import type { Phone } from './phone.js';

/** Something that must never be, told so that it can be understood without the run. */
export interface Violation {
  readonly rule: 'leak' | 'loss' | 'authority' | 'divergence' | 'verdict' | 'protocol';
  readonly table: string;
  readonly id: string;
  readonly what: string;
  /** The device that it is about. */
  readonly phone?: Phone;
}

export function violation(
  rule: Violation['rule'],
  table: string,
  id: string,
  what: string,
  phone?: Phone,
): Violation {
  return { rule, table, id, what, ...(phone && { phone }) };
}
