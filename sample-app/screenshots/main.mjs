import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { animate } from './apng.mjs';
import { measureFirstRows } from './first-rows.mjs';
import { withSample } from './sample.mjs';
import { tellStory } from './story.mjs';

const FOLDER = fileURLToPath(new URL('../../docs/images/', import.meta.url));
const MAX_BYTES = 1_000_000;

/** Takes the pictures of the README and docs/getting-started.md, and measures how soon the page has rows. */
await withSample(async (browser, url) => {
  const { still, frames } = await tellStory(browser, url);
  const animation = animate(frames);
  if (animation.length > MAX_BYTES) throw new Error(`the animation has ${animation.length} bytes`);
  await mkdir(FOLDER, { recursive: true });
  await writeFile(`${FOLDER}page.png`, still);
  await writeFile(`${FOLDER}page-in-motion.png`, animation);
  process.stdout.write(`docs/images/page.png ${still.length} bytes\n`);
  process.stdout.write(`docs/images/page-in-motion.png ${animation.length} bytes\n`);
  process.stdout.write(
    `first rows on screen after ${await measureFirstRows(browser, url)} ms (median of 5)\n`,
  );
});
