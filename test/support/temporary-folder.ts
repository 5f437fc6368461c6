import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new, empty folder that every user may look into: PostgreSQL of a root's tests runs as somebody else. */
export async function temporaryFolder(parent = tmpdir()): Promise<string> {
  const folder = await mkdtemp(join(parent, 'nestjs-synchro-test-'));
  await chmod(folder, 0o755);
  return folder;
}
