import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Soak } from './soak.js';
import { summaryOf } from './summary.js';

const MINUTES = Number(process.env['SOAK_MINUTES'] ?? 30);
const WORLD = process.env['SOAK_WORLD'] === 'odd' ? 'odd' : 'plain';
const SEED = Number(process.env['SOAK_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

let soak: Soak;

beforeAll(async () => {
  process.stdout.write(`SOAK_SEED=${SEED} SOAK_MINUTES=${MINUTES} SOAK_WORLD=${WORLD}\n`);
  soak = await Soak.start({
    seed: SEED,
    minutes: MINUTES,
    world: WORLD,
    report: (line) => process.stdout.write(`${new Date().toISOString()} ${line}\n`),
  });
});
afterAll(() => soak?.close());

it('nothing is lost, nothing is leaked, and everyone converges, whatever breaks meanwhile', async () => {
  const violations = await soak.run();
  const summary = summaryOf(soak, SEED, MINUTES, violations.length);
  process.stdout.write(`${summary}\n`);
  const file = process.env['SOAK_SUMMARY'];
  if (file) await writeFile(file, `${summary}\n`);
  expect(violations).toEqual([]);
});
