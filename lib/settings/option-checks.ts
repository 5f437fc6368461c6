import type { DurationBounds } from '../common/duration.js';
import { SynchroError } from '../common/errors.js';
import type { SynchroOptions } from './synchro.options.js';

/**
 * The greatest interval of Node's timers and PostgreSQL's settings, 24.8 days: above it, a timer fires immediately.
 */
export const TIMER = { min: 0, max: 2 ** 31 - 1 };
export const COUNT = { min: 0, max: Number.MAX_SAFE_INTEGER };
/** At 0 a push would be repeated without end, a page never end, no body be small enough, no batch be full. */
export const POSITIVE = { ...COUNT, min: 1 };

export function readRefusedCreates(value: NonNullable<SynchroOptions['refusedCreates']>): 'keep' | 'remove' {
  if (value === 'keep' || value === 'remove') return value;
  throw new SynchroError(
    'configuration_invalid',
    `the option refusedCreates is ${JSON.stringify(value)}`,
    "give refusedCreates as 'keep' or 'remove', or leave it out.",
  );
}

/** Where they are given: what is no number, as from an environment variable, would block every device. */
export function checkCounts<Options extends object>(
  prefix: string,
  options: Options,
  bounds: { readonly [Name in keyof Options]?: DurationBounds },
): void {
  for (const [name, { min, max }] of Object.entries<DurationBounds>(
    bounds as Record<string, DurationBounds>,
  )) {
    const value: unknown = options[name as keyof Options];
    if (value === undefined) continue;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) continue;
    const shown = typeof value === 'number' ? String(value) : JSON.stringify(value);
    throw new SynchroError(
      'configuration_invalid',
      `the option ${prefix}${name} is ${shown}, which is not a whole number from ${min}${max === COUNT.max ? '' : ` to ${max}`}`,
      `give ${prefix}${name} as a number, or leave it out.`,
    );
  }
}
