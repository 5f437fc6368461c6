import type { Operation } from './operation.js';
import { at, type World } from './world.js';

type Run = (sql: string, ...values: readonly unknown[]) => Promise<unknown>;

const STEPS = 4;

/** Several changes of one tree, each committed by itself, that the consumer meets as one batch. */
export async function pileUp(world: World, run: Run, { b, c }: Operation): Promise<void> {
  const [task] = await world.someRows('tasks', b, 1);
  const [other] = await world.someIds('projects', c, 1);
  const [note] = await world.someIds('notes', c, 1);
  if (!task || !other || !note) return;
  const project = (task as unknown as { readonly project_id: string }).project_id;
  const touch = `title = '${world.text()}', updated_at = clock_timestamp()`;
  const steps: readonly (() => Promise<unknown>)[] = [
    () => run(`UPDATE projects SET user_id = $2, ${touch} WHERE id = $1`, project, world.user(c)),
    () => run(`UPDATE projects SET user_id = $2 WHERE id = $1`, other, world.user(b)),
    () => run(`UPDATE tasks SET project_id = $2, ${touch} WHERE id = $1`, task.id, other),
    () => run(`UPDATE tasks SET project_id = $2 WHERE id = $1`, task.id, project),
    () => run('DELETE FROM tasks WHERE id = $1', task.id),
    () => run('DELETE FROM comments WHERE task_id = $1', task.id),
    () =>
      run(
        `INSERT INTO comments (id, task_id, title) VALUES ($1, $2, $3)`,
        world.newId('comments'),
        task.id,
        world.text(),
      ),
    () => run('DELETE FROM note_shares WHERE note_id = $1', note),
    () => run('DELETE FROM notes WHERE id = $1', note),
  ];
  await world.whileLogIsHeld(async () => {
    for (let n = 0; n < STEPS; n++) await at(steps, (b >> n) + c * (n + 1))();
  });
  world.did('pileUp');
}
