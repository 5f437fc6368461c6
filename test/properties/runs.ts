import * as fc from 'fast-check';

/** Runs of each property: `PROPERTY_RUNS`, or so many that `npm test` stays quick. */
export const RUNS = Number(process.env['PROPERTY_RUNS'] ?? 6);

/** In milliseconds, for one property. */
export const TIMEOUT = 60_000 + RUNS * 5_000;

/** The same for every run, unless `PROPERTY_SEED` says otherwise. */
export const SEED = Number(process.env['PROPERTY_SEED'] ?? 20_260_104);

/**
 * Tries a property with {@link RUNS} values. Nothing is shrunk: a failing check names the column and its value.
 *
 * @throws Error with the seed and the path that try the failing value again, and the check's own error as its cause
 */
export async function holds<T>(values: fc.Arbitrary<T>, check: (value: T) => Promise<void>): Promise<void> {
  const property = fc.asyncProperty(values, check);
  const result = await fc.check(property, { seed: SEED, numRuns: RUNS, endOnFailure: true });
  if (!result.failed) return;
  const { seed, numRuns, errorInstance: cause } = result;
  const message = cause instanceof Error ? cause.message : String(cause);
  throw new Error(`run ${numRuns} of PROPERTY_SEED=${seed} PROPERTY_RUNS=${RUNS}: ${message}`, { cause });
}
