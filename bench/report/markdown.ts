import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Result } from '../run/comparison.js';
import { figure } from './table.js';

/** `table.md`: the table of `RESULTS.md`. */
export async function writeMarkdown(folder: string, results: readonly Result[]): Promise<void> {
  const rows = results.map(({ line, subject, baseline, ratio, met, subjectUsage }) => [
    line.name,
    line.work,
    line.baseline,
    `${figure(subject)} ${line.unit}`,
    `${figure(baseline)} ${line.unit}`,
    ratio.toFixed(2),
    `≥ ${line.target}${line.floor === undefined ? '' : `, ≥ ${figure(line.floor)}`}`,
    met ? 'met' : 'not met',
    subjectUsage.peakMb.toFixed(0),
  ]);
  const head = ['row', 'work', 'baseline', 'subject', 'its baseline', 'ratio', 'target', '', 'peak MB'];
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  await writeFile(join(folder, 'table.md'), `${lines.join('\n')}\n`);
}
