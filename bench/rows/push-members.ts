import type { TaskRule } from '../app/entities.js';
import type { BenchRow, Comparison, Round } from '../bench-row.js';
import { BenchDevice } from '../environment/device.js';
import { HttpLoad } from '../environment/http-load.js';
import type { Environment } from '../environment/environment.js';
import { expectSame } from '../environment/same.js';
import type { NodeProcess } from '../environment/node-process.js';
import { BATCH, change, learn, sameTasks, taskOf, versionsOf } from './push-batches.js';

const [OWNER, EDITOR] = ['user0', 'editor'];

interface Sharing {
  readonly rule: TaskRule;
  /** Makes the editor one. */
  readonly sql: string;
}

/** The cost of a member's right, which is looked up for each row that is locked, read and written. */
export const pushMembers: readonly BenchRow[] = [
  row('push-by-member', 'an editor of the list that all rows are in', {
    rule: 'collaborators',
    sql: `INSERT INTO collaborators VALUES ('${OWNER}', '${EDITOR}', 'editor')`,
  }),
  row('push-by-member-of-each', 'an editor of rows that each have `members`: a bucket for each', {
    rule: 'members-of-each',
    sql: `INSERT INTO task_members SELECT id, '${EDITOR}', 'editor' FROM tasks`,
  }),
];

function row(name: string, editor: string, sharing: Sharing): BenchRow {
  return {
    name,
    lines: [
      {
        name,
        work: `push of ${BATCH} updates over HTTP, by ${editor}`,
        baseline: 'the same by the owner, in an app without members',
        unit: 'requests/s',
        target: 0.8,
      },
    ],
    prepare: (environment) => prepare(environment, sharing),
  };
}

async function prepare(environment: Environment, { rule, sql }: Sharing): Promise<Comparison> {
  const pushes = environment.size(60, 20);
  const [shared, owned] = [await environment.database(), await environment.database()];
  await sameTasks(shared, owned, pushes * BATCH);
  await shared.query(sql);
  await shared.query('VACUUM ANALYZE');
  const sides = {
    subject: await sideOf(await environment.app(shared, { rule }), EDITOR),
    baseline: await sideOf(await environment.app(owned), OWNER),
  };
  const versions = { subject: await versionsOf(shared), baseline: await versionsOf(owned) };
  let turn = 0;

  const push = async (side: keyof typeof sides): Promise<Round> => {
    const { app, device } = sides[side];
    const ids = [...versions[side].keys()].toSorted();
    const bodies = Array.from({ length: pushes }, (_, n) =>
      device.pushBody(
        ids
          .slice(n * BATCH, (n + 1) * BATCH)
          .map((id, m) => change('update', OWNER, taskOf(id, turn, n * BATCH + m), versions[side])),
      ),
    );
    const answers: string[] = [];
    const { seconds, usage } = await environment.timed(app, async () => {
      for (const body of bodies) answers.push(await device.send('push', body));
    });
    for (const answer of answers) learn(answer, versions[side]);
    await app.call('caughtUp');
    return { values: [pushes / seconds], usage };
  };

  return {
    subject: () => {
      turn += 1;
      return push('subject');
    },
    baseline: () => push('baseline'),
    verify: async () => {
      const tasks = 'SELECT id, user_id, title, body, done, priority, amount FROM tasks ORDER BY id';
      await expectSame(shared, tasks, owned, tasks);
    },
  };
}

async function sideOf(app: NodeProcess, userId: string): Promise<{ app: NodeProcess; device: BenchDevice }> {
  return { app, device: await new BenchDevice(new HttpLoad(app.url), userId).start() };
}
