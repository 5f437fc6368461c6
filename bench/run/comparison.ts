import { ROUNDS, type BenchRow, type Curve, type Line, type Round } from '../bench-row.js';
import type { Environment } from '../environment/environment.js';
import { median, spread } from './statistics.js';
import type { Usage } from './usage.js';

/** What a row's rounds came to. */
export interface Outcome {
  readonly results: readonly Result[];
  readonly curves: readonly Curve[];
  readonly notes: readonly string[];
}

/** A line with its figures: medians of the rounds. */
export interface Result {
  readonly line: Line;
  readonly subject: number;
  readonly baseline: number;
  /** How fast the subject is; the baseline is 1. */
  readonly ratio: number;
  readonly met: boolean;
  readonly subjectSpread: number;
  readonly baselineSpread: number;
  readonly subjectUsage: Usage;
  readonly baselineUsage: Usage;
}

/** How often `step` is called while a row is run. */
export function stepsOf({ rounds = ROUNDS }: BenchRow): number {
  return 1 + rounds.warmUps + rounds.counted + 1;
}

/** Warm-up, rounds that take turns, and the check that both did the same. */
export async function compare(row: BenchRow, environment: Environment, step: () => void): Promise<Outcome> {
  const { warmUps, counted } = row.rounds ?? ROUNDS;
  const comparison = await row.prepare(environment);
  step();
  const subject: Round[] = [];
  const baseline: Round[] = [];
  for (let round = 1; round <= warmUps + counted; round++) {
    const [mine, its] = [await comparison.subject(), await comparison.baseline()];
    if (round > warmUps) {
      subject.push(mine);
      baseline.push(its);
    }
    if (round === warmUps) await environment.startProfile();
    step();
  }
  const profile = await environment.endProfile(row.name);
  await comparison.verify();
  const memory = row.large ? environment.memory().map((line) => `${row.name}: ${line}`) : [];
  const notes = [...((await comparison.notes?.()) ?? []), ...memory, ...profile];
  const curves = (await comparison.curves?.()) ?? [];
  step();
  return { results: row.lines.map((line, index) => result(line, index, subject, baseline)), curves, notes };
}

function result(line: Line, index: number, subject: readonly Round[], baseline: readonly Round[]): Result {
  const values = (rounds: readonly Round[]): number[] =>
    rounds.map((round) => round.values[index] ?? Number.NaN);
  const [mine, its] = [median(values(subject)), median(values(baseline))];
  const ratio = line.unit === 'ms' || line.unit === 'MB' ? its / mine : mine / its;
  const { floor = 0 } = line;
  return {
    line,
    subject: mine,
    baseline: its,
    ratio,
    met: ratio >= line.target && mine >= Math.min(floor, its),
    subjectSpread: spread(values(subject)),
    baselineSpread: spread(values(baseline)),
    subjectUsage: medianUsage(subject),
    baselineUsage: medianUsage(baseline),
  };
}

function medianUsage(rounds: readonly Round[]): Usage {
  const of = (pick: (usage: Usage) => number): number => median(rounds.map(({ usage }) => pick(usage)));
  return {
    node: of(({ node }) => node),
    backends: of(({ backends }) => backends),
    walsender: of(({ walsender }) => walsender),
    load: of(({ load }) => load),
    peakMb: of(({ peakMb }) => peakMb),
  };
}
