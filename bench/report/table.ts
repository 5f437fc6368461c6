import { cpus, totalmem } from 'node:os';
import Table from 'cli-table3';
import type { Result } from '../run/comparison.js';
import type { Usage } from '../run/usage.js';

/** The results as a table for the terminal. CPU seconds are those of one round: Node, backends, walsender. */
export function printTable(results: readonly Result[]): void {
  const table = new Table({
    head: [
      'work | baseline',
      'subject',
      'baseline',
      'unit',
      'ratio',
      'target',
      '',
      'CPU s',
      'CPU s, baseline',
      'MB',
    ],
    style: { head: [], border: [] },
    colWidths: [46],
    wordWrap: true,
  });
  for (const result of results) {
    const { line, subject, baseline, ratio, met, subjectUsage, baselineUsage } = result;
    table.push([
      `${line.name}: ${line.work} | ${line.baseline}`,
      `${figure(subject)} ${percent(result.subjectSpread)}`,
      `${figure(baseline)} ${percent(result.baselineSpread)}`,
      line.unit,
      ratio.toFixed(2),
      `≥ ${line.target}${line.floor === undefined ? '' : `, ≥ ${figure(line.floor)}`}`,
      met ? 'met' : 'NOT MET',
      cpuSeconds(subjectUsage),
      cpuSeconds(baselineUsage),
      subjectUsage.peakMb.toFixed(0),
    ]);
  }
  console.log(table.toString());
}

/** Where the figures come from. */
export function machine(postgres: string, seconds: number): string {
  const [cpu] = cpus();
  return [
    `${cpus().length} × ${cpu?.model.trim() ?? 'unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GB`,
    `Node ${process.versions.node}, PostgreSQL ${postgres} (durable)`,
    `${seconds.toFixed(0)} s`,
  ].join('; ');
}

/** Three digits, or whole thousands. */
export function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

function percent(share: number): string {
  return `±${Math.round(share * 100)}%`;
}

function cpuSeconds({ node, backends, walsender }: Usage): string {
  return [node, backends, walsender].map((seconds) => seconds.toFixed(2)).join(' ');
}
