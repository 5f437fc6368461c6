import { pause } from '../support/wait.js';
import { patiently } from './patience.js';
import { takenOver } from './app-faults.js';
import type { FaultKind } from './fault.js';
import { deleteRows, insertRows } from './host-rows.js';
import { provokePush } from './probe.js';
import type { Site } from './site.js';

/** Rows of a transaction that takes the stream a while, and what must have come of it when it is cut. */
const LARGE = 3_000;
const PART = 32 * 1024;

/** Faults between apps, devices and PostgreSQL. */
export const NETWORK_FAULTS: readonly FaultKind[] = [
  {
    name: 'leader-cut-off',
    keeps: 'log',
    inject: async (site, random) => {
      const leader = await site.leader();
      const network = leader.databaseNetwork;
      if (random.below(2) === 0) network.stall();
      else {
        network.refuse();
        network.cut();
      }
      try {
        await takenOver(site, leader);
      } finally {
        network.pass();
      }
    },
  },
  {
    name: 'replication-cut-mid-transaction',
    keeps: 'log',
    inject: async (site, random) => {
      for (let times = 1 + random.below(3); times > 0;) {
        const terminated = random.below(2) === 0;
        const leader = await site.leader();
        const { connection, port } = await patiently(async () => (await site.stream()) ?? false);
        leader.databaseNetwork.slow({ latency: 5, bytesPerSecond: 2 * 1024 * 1024, random });
        const before = connection.answered;
        const rows = await insertRows(site, LARGE);
        try {
          const inPart = (): boolean => connection.answered > before + PART;
          // The leader may have begun anew by itself, for another fault or an altered table: once more, then.
          await patiently(async () => inPart() || (await site.stream())?.connection !== connection, 1);
          if (!inPart()) continue;
          if (terminated) await terminate(site, port);
          else leader.databaseNetwork.cut([connection]);
          times--;
        } finally {
          leader.databaseNetwork.pass();
          await deleteRows(site, rows);
        }
      }
    },
  },
  {
    name: 'network-stalled',
    keeps: 'log',
    inject: async (site, random) => {
      const app = random.pick(site.apps);
      const network = app.databaseNetwork;
      network.stall();
      const push = provokePush(site, app);
      try {
        await patiently(() => network.held > 0);
        // How long it lasts.
        await pause(500 + random.below(2_500));
      } finally {
        network.pass();
      }
      await push;
    },
  },
  {
    name: 'network-slow',
    keeps: 'log',
    inject: async (site, random) => {
      const app = random.below(2) === 0 ? await site.leader() : random.pick(site.apps);
      app.databaseNetwork.slow({ latency: 20, bytesPerSecond: 256 * 1024, random });
      try {
        await provokePush(site, app);
      } finally {
        app.databaseNetwork.pass();
      }
    },
  },
  {
    name: 'device-network-cut',
    keeps: 'log',
    inject: async (site, random) => {
      const apps = random.some(site.apps, 1 + random.below(site.apps.length));
      const lost = (): number => apps.reduce((sum, { network }) => sum + network.lostAnswers, 0);
      const goal = lost() + 3 * apps.length;
      for (const { network } of apps) network.loseAnswers();
      try {
        await patiently(async () => {
          await Promise.all(apps.map((app) => provokePush(site, app)));
          return lost() >= goal;
        });
      } finally {
        for (const { network } of apps) network.pass();
      }
    },
  },
];

async function terminate({ database }: Site, port: number): Promise<void> {
  await database.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port = $1', [
    port,
  ]);
}
