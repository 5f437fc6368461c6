import { join } from 'node:path';
import { createRequire } from 'node:module';
import { testFolder } from '../../../test/support/run.js';
import { memoryStore, type Store } from '../../src/index.js';
import { sqliteStore, type SqliteDatabase } from '../../src/sqlite/index.js';

export interface StoreKind {
  readonly name: string;
  /** Makes a store whose data outlives the client that opened it, until the process ends. */
  readonly make: () => Promise<Store>;
}

type Constructor = new (path: string) => SqliteDatabase;

const require = createRequire(import.meta.url);

function sqliteKind(name: string, Database: Constructor): StoreKind {
  return {
    name,
    make: async () => {
      const folder = await testFolder();
      return sqliteStore((file) => new Database(join(folder, `${file}.db`)));
    },
  };
}

/** Node before 22.5 has none; the test package's job on newer versions runs it. */
function nodeSqlite(): readonly StoreKind[] {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 22 || (major === 22 && minor < 13)) return [];
  const { DatabaseSync } = require('node:sqlite') as { DatabaseSync: Constructor };
  return [sqliteKind('node:sqlite', DatabaseSync)];
}

/** Every store that works in this process; the browser's are tested in a browser. */
export const STORES: readonly StoreKind[] = [
  { name: 'memory', make: async () => memoryStore() },
  sqliteKind('better-sqlite3', require('sqlite-driver') as Constructor),
  ...nodeSqlite(),
];
