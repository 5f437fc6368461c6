import { pause } from '../support/wait.js';
import { patiently } from './patience.js';
import type { FaultKind } from './fault.js';
import { deleteRows, insertRows } from './host-rows.js';
import { provokePush } from './probe.js';
import type { Site } from './site.js';
import type { SiteApp } from './site-app.js';

const HOUR = 3_600_000;

/** Faults of the app processes. */
export const APP_FAULTS: readonly FaultKind[] = [
  {
    name: 'app-killed',
    keeps: 'log',
    inject: (site, random) => kill([random.pick(site.apps)]),
  },
  {
    name: 'leader-killed',
    keeps: 'log',
    inject: async (site) => kill([await site.leader()]),
  },
  {
    name: 'all-apps-killed',
    keeps: 'log',
    inject: (site) => kill(site.apps),
  },
  {
    name: 'leader-frozen',
    keeps: 'log',
    inject: async (site) => {
      const leader = await site.leader();
      leader.freeze();
      try {
        await takenOver(site, leader);
      } finally {
        leader.thaw();
      }
    },
  },
  {
    name: 'app-frozen',
    keeps: 'log',
    inject: async (site, random) => {
      const leader = await site.leader();
      const app = random.pick(site.apps.length > 1 ? site.apps.filter((one) => one !== leader) : site.apps);
      app.freeze();
      try {
        await patiently(async () => !(await answers(app)));
        // How long it lasts.
        await pause(random.below(2_000));
      } finally {
        app.thaw();
      }
      await patiently(() => answers(app));
    },
  },
  {
    name: 'clock-jumped',
    keeps: 'log',
    inject: async (site, random) => {
      const jumped = random.some(site.apps, 1 + random.below(site.apps.length));
      for (const app of jumped) {
        const hours = 1 + random.below(48);
        await app.setClock((random.below(2) === 0 ? -1 : 1) * hours * HOUR);
      }
      await Promise.all(jumped.map((app) => provokePush(site, app)));
      await written(site);
      for (const app of jumped) await app.setClock(0);
    },
  },
  {
    name: 'rolling-deploy',
    keeps: 'log',
    inject: (site) => site.deploy(),
  },
];

async function kill(apps: readonly SiteApp[]): Promise<void> {
  const starts = apps.map((app) => app.starts);
  await Promise.all(apps.map((app) => app.kill()));
  await Promise.all(apps.map((app, index) => app.restarted(starts[index] ?? 0)));
}

/** Resolves once another app has written what is committed now; with one app alone, once it has lost the slot. */
export async function takenOver(site: Site, former: SiteApp): Promise<void> {
  if (site.apps.length === 1) await patiently(async () => (await site.currentLeader()) === null);
  else {
    await site.nextLeader(former);
    await written(site);
  }
}

/** Resolves once the consumer, whichever it is, has written what is committed now. */
export async function written(site: Site): Promise<void> {
  const rows = await insertRows(site, 1);
  await patiently(async () => {
    const edges = await site.database.query(
      'SELECT FROM sync_bucket_edges WHERE table_name = $1 AND record_id = ANY($2)',
      [site.host.table, rows],
    );
    return edges.length > 0;
  });
  await deleteRows(site, rows);
}

/** Whether a device gets an answer soon. */
async function answers(app: SiteApp): Promise<boolean> {
  return fetch(`${app.url}/sync/schema`, { signal: AbortSignal.timeout(500) }).then(
    () => true,
    () => false,
  );
}
