const VIEWPORT = { width: 1280, height: 1000 };
/** Of the moving picture: without the time line below. */
const CLIP = { x: 0, y: 0, width: VIEWPORT.width, height: 680 };

/**
 * Does what the page tells its visitor to try.
 *
 * @returns the whole page in the middle of it, and the frames of the moving picture
 */
export async function tellStory(browser, url) {
  const context = await browser.newContext({
    viewport: VIEWPORT,
    colorScheme: 'light',
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  await page.goto(url);
  const [phone, laptop, bob] = ['Alice’s phone', 'Alice’s laptop', 'Bob’s phone'].map((name) =>
    page.frameLocator(`iframe[title="${name}"]`),
  );
  const server = page.getByRole('region', { name: 'The server' });
  const frames = [];
  const shoot = async (milliseconds) => {
    // Else the pane under it looks touched.
    await page.mouse.move(0, 0);
    frames.push({ png: await page.screenshot({ clip: CLIP }), milliseconds });
  };
  const online = phone.getByRole('switch', { name: 'Online' });

  for (const device of [phone, laptop, bob]) await device.getByText('Live').waitFor();
  await has(server, 'Water the plants');
  await shoot(1_500);

  await server.getByRole('combobox', { name: 'Sharing of Plan the picnic' }).selectOption('edit');
  await has(bob, 'Plan the picnic');
  await bob.getByRole('button', { name: 'Comments on Plan the picnic' }).click();
  await shoot(1_500);
  const comment = bob.getByRole('textbox', { name: 'New comment on Plan the picnic' });
  await comment.fill('I bring bread');
  await comment.press('Enter');
  await bob.getByText('applied').waitFor();
  await phone.getByRole('button', { name: 'Comments on Plan the picnic: 3' }).click();
  await phone.getByText('I bring bread').waitFor();
  await shoot(1_500);
  await rename(server, 'Book the train to Lyon', 'Book the night train to Lyon');
  for (const device of [phone, laptop]) await has(device, 'Book the night train to Lyon');
  await page.getByRole('row').filter({ hasText: 'night train' }).getByText('pull').nth(1).waitFor();
  await shoot(2_000);

  await online.click();
  await phone.getByRole('status').getByText('Offline').waitFor();
  await shoot(1_000);
  await rename(phone, 'Buy oat milk', 'Buy two oat milks');
  await phone.getByText('1 edit waits').waitFor();
  await shoot(1_500);
  await rename(laptop, 'Buy oat milk', 'Buy soy milk');
  await has(server, 'Buy soy milk');
  await shoot(1_500);
  await online.click();
  await phone.getByText('Two edits of one row').waitFor();
  await phone.getByRole('status').getByText('Live').waitFor();
  await shoot(2_500);
  const still = await page.screenshot({ fullPage: true });
  await phone.getByRole('button', { name: 'Keep mine' }).click();
  for (const pane of [laptop, server]) await has(pane, 'Buy two oat milks');
  await shoot(1_500);

  await context.close();
  return { still, frames };
}

async function rename(pane, from, to) {
  const field = pane.getByRole('textbox', { name: `Title of ${from}` });
  await field.fill(to);
  // By its element: it is found by its title, which changes.
  const element = await field.elementHandle();
  await element.press('Enter');
  await element.evaluate((input) => input.blur());
}

function has(pane, title) {
  const field = pane.getByRole('textbox', { name: `Title of ${title}` });
  return field.first().waitFor();
}
