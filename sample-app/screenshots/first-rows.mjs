const TRIES = 5;

/**
 * Milliseconds from the navigation until every device of a new profile shows its first row: scripts, registration and
 * first sync included. The median.
 */
export async function measureFirstRows(browser, url) {
  const times = [];
  for (let index = 0; index < TRIES; index += 1) times.push(await firstRows(browser, url));
  return Math.round(times.toSorted((a, b) => a - b)[Math.floor(TRIES / 2)]);
}

async function firstRows(browser, url) {
  const context = await browser.newContext();
  try {
    await context.addInitScript(() => {
      const watch = new MutationObserver(() => {
        if (window.top.location === window.location || !document.querySelector('.tasks > li')) return;
        watch.disconnect();
        // Once it is painted.
        requestAnimationFrame(() =>
          setTimeout(() => (window.firstRowAt = performance.timeOrigin + performance.now())),
        );
      });
      watch.observe(document, { childList: true, subtree: true });
    });
    const page = await context.newPage();
    await page.goto(url);
    const began = await page.evaluate(() => performance.timeOrigin);
    const devices = page.frames().slice(1);
    const shown = await Promise.all(
      devices.map(async (frame) => (await frame.waitForFunction(() => window.firstRowAt)).jsonValue()),
    );
    return Math.max(...shown) - began;
  } finally {
    await context.close();
  }
}
