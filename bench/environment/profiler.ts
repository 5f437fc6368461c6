import { writeFile } from 'node:fs/promises';
import { Session, type Profiler } from 'node:inspector/promises';

const session = new Session();

/** For `serve`: CPU profiles of this process. */
export const profiler = {
  startProfile: async (): Promise<void> => {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: 200 });
    await session.post('Profiler.start');
  },

  /** Writes the profile to a file, and answers where the time went, most first. */
  endProfile: async (file: string): Promise<readonly string[]> => {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    await writeFile(file, JSON.stringify(profile));
    return summary(profile);
  },
};

const MOST = 40;

function summary({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): readonly string[] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const self = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? '';
    if (name.startsWith('(idle)')) continue;
    self.set(name, (self.get(name) ?? 0) + (timeDeltas[index] ?? 0));
  }
  const total = [...self.values()].reduce((sum, time) => sum + time, 0);
  return [...self]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, MOST)
    .map(([name, time]) => `${((100 * time) / total).toFixed(1).padStart(5)} %  ${name}`);
}

function nameOf({ functionName, url, lineNumber }: Profiler.Profile['nodes'][number]['callFrame']): string {
  const file = url.replace(/^.*\/(?=node_modules\/|dist\/)/, '');
  return `${functionName || '(anonymous)'} ${file === '' ? '' : `${file}:${lineNumber + 1}`}`;
}
