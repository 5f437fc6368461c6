import { existsSync } from 'node:fs';
import chromium from '@sparticuz/chromium';
import { chromium as playwright } from 'playwright-core';

/** Of a server for single requests: tabs there share what they must not, or end together, and reach every origin. */
const UNFIT = new Set(['--single-process', '--incognito', '--no-zygote', '--disable-web-security']);

/** The Chromium of CHROMIUM_PATH, else the one that an npm package carries. */
export async function startBrowser() {
  const given = process.env['CHROMIUM_PATH'];
  const executablePath = given && existsSync(given) ? given : await chromium.executablePath();
  return playwright.launch({
    executablePath,
    // Pages of one test are one browser's tabs: they share a process's storage, not a sandbox.
    args: [...chromium.args.filter((arg) => !UNFIT.has(arg)), '--no-sandbox'],
    headless: true,
  });
}
