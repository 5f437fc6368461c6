import { fileURLToPath } from 'node:url';
import chromium from '@sparticuz/chromium';
import { build } from 'esbuild';
import { chromium as playwright, type Browser, type Page } from 'playwright-core';

/** The page's code, beside the sources, wherever the build is. */
const PAGE = fileURLToPath(new URL('../../../bench/browser/page.mjs', import.meta.url));
/** Of a server for single requests: pages there share what they must not. */
const UNFIT = new Set(['--single-process', '--incognito', '--no-zygote', '--disable-web-security']);

/** A headless Chromium: that of CHROMIUM_PATH, else the one that an npm package carries. */
export async function openBrowser(): Promise<Browser> {
  return playwright.launch({
    executablePath: process.env['CHROMIUM_PATH'] ?? (await chromium.executablePath()),
    args: [...chromium.args.filter((arg) => !UNFIT.has(arg)), '--no-sandbox'],
    headless: true,
  });
}

let script: Promise<string> | undefined;

/** A page in a profile of its own, with `bench` of `browser/page.mjs`, of the app's origin. */
export async function openPage(browser: Browser, url: string): Promise<Page> {
  script ??= bundle();
  const body = await script;
  const page = await (await browser.newContext()).newPage();
  await page.route('**/bench-page', (route) =>
    route.fulfill({
      contentType: 'text/html',
      body: `<!doctype html><title>bench</title><script>${body}</script>`,
    }),
  );
  await page.goto(`${url}/bench-page`);
  // A route has each request of the page wait for this process.
  await page.unrouteAll();
  return page;
}

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [PAGE],
    bundle: true,
    minify: true,
    format: 'iife',
    globalName: 'bench',
    target: 'es2022',
    write: false,
  });
  return (outputFiles[0]?.text ?? '').replaceAll('</script', '<\\/script');
}
