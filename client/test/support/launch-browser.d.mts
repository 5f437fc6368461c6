import type { Browser } from 'playwright-core';

/** The Chromium of CHROMIUM_PATH, else the one that an npm package carries. */
export function startBrowser(): Promise<Browser>;
