import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { quickFiles, WITH_DATABASE } from './support/quick-files.js';

const ROOT = join(import.meta.dirname, '..');

describe('the quick loop', () => {
  it('has files with a database for each room of lib/, and for the client', () => {
    const rooms = readdirSync(join(ROOT, 'lib'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    expect(Object.keys(WITH_DATABASE).toSorted()).toEqual([...rooms, 'client'].toSorted());
    expect(Object.values(WITH_DATABASE).filter((files) => files.length === 0)).toEqual([]);
    const files = Object.values(WITH_DATABASE).flat();
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  });

  it('has every file that reaches no database, and no other ones', () => {
    const files = quickFiles();
    // Pure functions; a fixture between the file and the database; the database itself.
    expect(files).toContain('test/replication/stream/pgoutput.test.ts');
    expect(files).not.toContain('test/push/push-verdicts.test.ts');
    expect(files).not.toContain('test/database/array-literals.test.ts');
    expect(new Set(files).size).toBe(files.length);
  });
});
