import type { Soak, Survived } from './soak.js';

/** What a soak did and survived, as Markdown. */
export function summaryOf(soak: Soak, seed: number, minutes: number, violations: number): string {
  const { sent, excused, answers, slowest } = soak.fuzzer.summary();
  const kinds = [...new Set(soak.survived.map(({ fault }) => fault))].toSorted();
  const statuses = new Map<string, number>();
  for (const [answer, times] of Object.entries(answers)) {
    const status = answer.slice(-3);
    statuses.set(status, (statuses.get(status) ?? 0) + times);
  }
  return [
    `Seed ${seed}, ${minutes} minutes, ${soak.rounds} rounds: **${violations} violations**.`,
    '',
    `- ${soak.operations} operations: ${list(soak.world.counts)}`,
    `- ${sent} fuzzed requests (${excused} excused by a fault; the slowest answer took ${slowest} ms): ${list(statuses)}`,
    `- ${soak.survived.length} faults of ${kinds.length} kinds`,
    '',
    '| fault | times | lasted (ms) | until every app takes a push (ms) | until a committed row is pulled everywhere (ms) |',
    '| --- | --- | --- | --- | --- |',
    ...kinds.map((kind) =>
      row(
        kind,
        soak.survived.filter(({ fault }) => fault === kind),
      ),
    ),
    '',
    'Times are the median and the longest; the last two count from the end of the fault.',
  ].join('\n');
}

function row(fault: string, times: readonly Survived[]): string {
  const columns = [
    spread(times.map(({ injected }) => injected)),
    spread(times.map(({ push }) => push)),
    spread(times.map(({ pull }) => pull)),
  ];
  return `| ${fault} | ${times.length} | ${columns.join(' | ')} |`;
}

function list(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  return `${sorted[Math.floor(sorted.length / 2)]} / ${sorted.at(-1)}`;
}
