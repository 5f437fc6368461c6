import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Result } from '../run/comparison.js';

/** `latest.json`: what other programs read. */
export async function writeLatest(folder: string, results: readonly Result[]): Promise<void> {
  const rows = results.map((result) => ({
    name: result.line.name,
    subject: round(result.subject),
    baseline: round(result.baseline),
    ratio: round(result.ratio),
    target: result.line.target,
    met: result.met,
    unit: result.line.unit,
    work: result.line.work,
    baselineWork: result.line.baseline,
    subjectSpread: round(result.subjectSpread),
    baselineSpread: round(result.baselineSpread),
    subjectUsage: result.subjectUsage,
    baselineUsage: result.baselineUsage,
  }));
  await writeFile(join(folder, 'latest.json'), `${JSON.stringify(rows, null, 2)}\n`);
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
