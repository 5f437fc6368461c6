import type { BenchRow, Comparison, Round } from '../bench-row.js';
import { BenchDevice, type PullAnswer } from '../environment/device.js';
import { HttpLoad, repeat } from '../environment/http-load.js';
import type { NodeProcess } from '../environment/node-process.js';
import type { Environment } from '../environment/environment.js';

const CONNECTIONS = 16;

/** What most requests are: a device that asks and is up to date. */
export const pullNothing: BenchRow = {
  name: 'pull-nothing',
  lines: [
    {
      name: 'pull-nothing',
      work: `pull with nothing new, ${CONNECTIONS} connections`,
      baseline: 'a Nest controller on the same adapter with one SELECT 1',
      unit: 'requests/s',
      target: 0.5,
    },
  ],
  prepare,
};

async function prepare(environment: Environment): Promise<Comparison> {
  const database = await environment.database();
  await database.query(`SELECT add_tasks(1, 10000, ${CONNECTIONS})`);
  const app = await environment.app(database);
  const bare = await environment.baseline('nest-app', database);
  const load = new HttpLoad(app.url, CONNECTIONS);
  const bareLoad = new HttpLoad(bare.url, CONNECTIONS);
  const devices = await Promise.all(
    Array.from({ length: CONNECTIONS }, (_, n) => new BenchDevice(load, `user${n}`).start()),
  );
  await database.query('VACUUM ANALYZE');
  const bodies = devices.map((device) => device.pullBody(device.checkpoint, 100));
  const requests = environment.size(2_000, 600);

  const round = async (
    measured: NodeProcess,
    send: (lane: number, body: string) => Promise<string>,
  ): Promise<Round> => {
    const { seconds, usage } = await environment.timed(measured, () =>
      repeat(requests, CONNECTIONS, async (n) => {
        const lane = n % CONNECTIONS;
        await send(lane, bodies[lane] ?? '');
      }),
    );
    return { values: [requests / seconds], usage };
  };

  return {
    subject: () => round(app, async (lane, body) => devices[lane]?.send('pull', body) ?? ''),
    baseline: () => round(bare, (lane, body) => bareLoad.post('/bare/pull', body, `user${lane}`)),
    verify: async () => {
      for (const [lane, device] of devices.entries()) {
        const answer: PullAnswer = JSON.parse(await device.send('pull', bodies[lane] ?? ''));
        const isEmpty = answer.changes.length + answer.deletes.length === 0;
        if (!isEmpty || answer.has_more || answer.snapshot_required === true)
          throw new Error(`there was something new: ${JSON.stringify(answer)}`);
      }
    },
  };
}
