import { Client } from 'pg';
import { withClient } from '../support/client.js';
import { patiently } from './patience.js';
import { DISTURBED_BY_LOCKS } from './deadlocks.js';
import type { FaultKind } from './fault.js';
import type { Site } from './site.js';
import type { SiteApp } from './site-app.js';
import { whileStatementsFail } from './failing-statements.js';

/** Faults of PostgreSQL and of what others do with it. */
export const SERVER_FAULTS: readonly FaultKind[] = [
  {
    name: 'postgres-stopped-fast',
    keeps: 'log',
    inject: (site) => restart(site, 'fast'),
  },
  {
    name: 'postgres-stopped-immediate',
    keeps: 'log',
    inject: (site) => restart(site, 'immediate'),
  },
  {
    name: 'backends-terminated',
    keeps: 'log',
    inject: async (site) => {
      const backends = await terminateBackends(site);
      await patiently(async () => {
        const left = await site.database.query('SELECT FROM pg_stat_activity WHERE pid = ANY($1)', [
          backends,
        ]);
        return left.length === 0;
      });
    },
  },
  {
    name: 'pool-full',
    keeps: 'log',
    inject: async (site, random) => {
      const app = random.pick(site.apps);
      await withClient(site.database.ownUrl, async (operator) => {
        const taken: Client[] = [];
        try {
          await patiently(async () => {
            await takeConnections(site.database.url, taken);
            await operator.query(TERMINATE, [namesOf(site)]);
            await takeConnections(site.database.url, taken);
            return refuses(app);
          });
        } finally {
          await Promise.all(taken.map((client) => client.end()));
        }
      });
    },
  },
  DISTURBED_BY_LOCKS,
  {
    name: 'serialization-failures',
    keeps: 'log',
    inject: (site) => whileStatementsFail(site, '40001'),
  },
  {
    name: 'statement-timeouts',
    keeps: 'log',
    inject: (site) => whileStatementsFail(site, '57014'),
  },
];

async function restart(site: Site, mode: 'fast' | 'immediate'): Promise<void> {
  await site.stopPostgres(mode);
  await site.startPostgres();
  await site.leader();
}

const TERMINATE = `SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE application_name = ANY($1) OR application_name LIKE 'nestjs-synchro%'`;

function namesOf(site: Site): readonly string[] {
  return site.apps.map(({ name }) => name);
}

async function terminateBackends(site: Site): Promise<readonly number[]> {
  const rows = await site.database.query<{ pid: number }>(TERMINATE, [namesOf(site)]);
  return rows.map(({ pid }) => pid);
}

/** Takes every connection that the server still has. */
async function takeConnections(url: string, taken: Client[]): Promise<void> {
  for (;;) {
    const client = new Client({ connectionString: url });
    client.on('error', () => {});
    try {
      await client.connect();
      taken.push(client);
    } catch (error) {
      if ((error as { code?: string }).code === '53300') return;
      throw error;
    }
  }
}

/** Whether a device is sent away. */
async function refuses(app: SiteApp): Promise<boolean> {
  const answer = await fetch(`${app.url}/sync/schema`, {
    headers: { 'X-User-ID': 'somebody' },
    signal: AbortSignal.timeout(2_000),
  });
  return answer.status === 503;
}
