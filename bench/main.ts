import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { ALL_ROWS } from './all-rows.js';
import type { BenchRow } from './bench-row.js';
import { writeChart } from './report/chart.js';
import { writeLatest } from './report/latest.js';
import { writeMarkdown } from './report/markdown.js';
import { machine, printTable } from './report/table.js';
import { compare, stepsOf, type Outcome } from './run/comparison.js';
import { Environment } from './environment/environment.js';

/**
 * `npm run bench [-- <name>…] [-- --quick]`; `npm run bench:large` for the slow rows. `--profile` writes a CPU profile
 * of each app beside the results.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    large: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
  },
});

/** Beside the sources, wherever the build is. */
const out = fileURLToPath(new URL('../../bench/out/', import.meta.url));

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));
await mkdir(out, { recursive: true });
const chosen = choose(positionals, values.large);
const began = performance.now();
const environment = await Environment.open({ quick: values.quick, profiles: values.profile ? out : null });
const bar = new SingleBar({
  format: '{bar} {value}/{total} {row}',
  noTTYOutput: true,
  notTTYSchedule: 10_000,
  barsize: 30,
  hideCursor: true,
});
bar.start(
  chosen.reduce((steps, row) => steps + stepsOf(row), 0),
  0,
  { row: '' },
);
const outcomes: Outcome[] = [];
const failed: string[] = [];
for (const row of chosen) {
  bar.update({ row: row.name });
  try {
    outcomes.push(await compare(row, environment, () => bar.increment()));
    // Also when the run is broken off later.
    await writeResults();
  } catch (error) {
    failed.push(`${row.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
  await environment.clear();
}
bar.stop();
printTable(outcomes.flatMap((outcome) => outcome.results));
for (const note of outcomes.flatMap((outcome) => outcome.notes)) console.log(note);
console.log(machine(await environment.version(), (performance.now() - began) / 1000));
await writeChart(
  out,
  outcomes.flatMap((outcome) => outcome.curves),
);
for (const failure of failed) console.error(failure);
process.exit(failed.length > 0 ? 1 : 0);

async function writeResults(): Promise<void> {
  const results = outcomes.flatMap((outcome) => outcome.results);
  await writeLatest(out, results);
  await writeMarkdown(out, results);
}

function choose(names: readonly string[], large: boolean): readonly BenchRow[] {
  if (names.length === 0) return ALL_ROWS.filter((row) => (row.large ?? false) === large);
  const named = ALL_ROWS.filter(({ name, lines }) =>
    [name, ...lines.map((line) => line.name)].some((known) => names.some((each) => known.startsWith(each))),
  );
  if (named.length > 0) return named;
  throw new Error(
    `There is no row ${names.join(', ')}. There are: ${ALL_ROWS.map(({ name }) => name).join(', ')}`,
  );
}
