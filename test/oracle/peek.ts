import { pause } from '../support/wait.js';
import type { Operation } from './operation.js';
import type { Phone } from './phone.js';
import type { World } from './world.js';

/** Long enough for the consumer, as a rule. */
const APPLIED = 30;

/**
 * A device asks while the log lags behind: one of its user's projects has changed, as the log says, and is another's by
 * now, as it does not say yet. Now and then it comes back within the same batch.
 */
export async function peek(world: World, phone: Phone, { b, c }: Operation): Promise<void> {
  const { database } = world;
  const [project] = await database.query<{ id: string }>(
    `SELECT id FROM projects WHERE user_id = $1 AND deleted_at IS NULL AND title LIKE 'text %'
      ORDER BY md5(id::text || $2) LIMIT 1`,
    [phone.userId, String(b)],
  );
  if (!project) return;
  const update = (set: string): Promise<unknown> =>
    database.query(`UPDATE projects SET title = $2, ${set} WHERE id = $1`, [project.id, world.text()]);
  await update('updated_at = now()');
  await pause(APPLIED);
  await world.whileLogIsHeld(async () => {
    await update(`user_id = '${world.user(c)}'`);
    if (c % 3 === 0) await phone.attempt(() => phone.snapshotPage({ limit: 1_000 }));
    else await phone.trySync();
    if (c % 2 === 0) await update(`user_id = '${phone.userId}'`);
  });
  world.did('peek');
}
