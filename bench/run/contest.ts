import { ROUNDS, type BenchRow, type Curve, type Line, type Round } from '../bench-row.js';
import type { Stage } from '../stage/stage.js';
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
  readonly limit: number;
  /** How fast the subject is; the limit is 1. */
  readonly ratio: number;
  readonly met: boolean;
  readonly subjectSpread: number;
  readonly limitSpread: number;
  readonly subjectUsage: Usage;
  readonly limitUsage: Usage;
}

/** How often `step` is called while a row is run. */
export function stepsOf({ rounds = ROUNDS }: BenchRow): number {
  return 1 + rounds.warmUps + rounds.counted + 1;
}

/** Warm-up, rounds that take turns, and the check that both did the same. */
export async function contest(row: BenchRow, stage: Stage, step: () => void): Promise<Outcome> {
  const { warmUps, counted } = row.rounds ?? ROUNDS;
  const duel = await row.prepare(stage);
  step();
  const subject: Round[] = [];
  const limit: Round[] = [];
  for (let round = 1; round <= warmUps + counted; round++) {
    const [mine, its] = [await duel.subject(), await duel.limit()];
    if (round > warmUps) {
      subject.push(mine);
      limit.push(its);
    }
    if (round === warmUps) await stage.startProfile();
    step();
  }
  const profile = await stage.endProfile(row.name);
  await duel.verify();
  const memory = row.large ? stage.memory().map((line) => `${row.name}: ${line}`) : [];
  const notes = [...((await duel.notes?.()) ?? []), ...memory, ...profile];
  const curves = (await duel.curves?.()) ?? [];
  step();
  return { results: row.lines.map((line, index) => result(line, index, subject, limit)), curves, notes };
}

function result(line: Line, index: number, subject: readonly Round[], limit: readonly Round[]): Result {
  const values = (rounds: readonly Round[]): number[] =>
    rounds.map((round) => round.values[index] ?? Number.NaN);
  const [mine, its] = [median(values(subject)), median(values(limit))];
  const ratio = line.unit === 'ms' || line.unit === 'MB' ? its / mine : mine / its;
  const { floor = 0 } = line;
  return {
    line,
    subject: mine,
    limit: its,
    ratio,
    met: ratio >= line.target && mine >= Math.min(floor, its),
    subjectSpread: spread(values(subject)),
    limitSpread: spread(values(limit)),
    subjectUsage: medianUsage(subject),
    limitUsage: medianUsage(limit),
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
