import type { Environment } from './environment/environment.js';
import type { Usage } from './run/usage.js';

/** One line of the table: a piece of work beside its baseline. */
export interface Line {
  readonly name: string;
  /** What sync does. */
  readonly work: string;
  /** The best that the same machine does with the same data. */
  readonly baseline: string;
  /** Of `ms` and `MB` less is better, of all others more. */
  readonly unit: 'rows/s' | 'requests/s' | 'ms' | 'MB';
  /** What subject and baseline must come to: how fast the subject is, the baseline taken as 1. */
  readonly target: number;
  /** What the subject must reach besides, in its unit, where the baseline does. */
  readonly floor?: number;
}

/** Benchmarks that share their set-up and their rounds; one file in `rows/`. */
export interface BenchRow {
  /** What `npm run bench -- <name>` takes, besides the names of its lines. */
  readonly name: string;
  readonly lines: readonly Line[];
  /** It takes long: `npm run bench:large` runs it, `npm run bench` does not. */
  readonly large?: true;
  /** Of what takes long fewer rounds must do. Default: {@link ROUNDS}. */
  readonly rounds?: Rounds;
  /** Makes what is needed; the environment ends it all after the row. */
  prepare(environment: Environment): Promise<Comparison>;
}

/** How often a row is played. */
export interface Rounds {
  readonly warmUps: number;
  readonly counted: number;
}

export const ROUNDS: Rounds = { warmUps: 2, counted: 5 };

/** Subject and baseline of a row, ready for rounds that take turns. */
export interface Comparison {
  subject(): Promise<Round>;
  baseline(): Promise<Round>;
  /** @throws Error when the two have not come to the same */
  verify(): Promise<void>;
  /** Cost at several sizes, for the chart. */
  curves?(): Promise<readonly Curve[]>;
  /** What else is worth telling, after the rounds. */
  notes?(): Promise<readonly string[]>;
}

/** One timed round. */
export interface Round {
  /** A value for each line of the row. */
  readonly values: readonly number[];
  readonly usage: Usage;
}

/** How cost grows with size. */
export interface Curve {
  readonly name: string;
  /** Rows, and milliseconds. */
  readonly points: readonly (readonly [size: number, milliseconds: number])[];
}
