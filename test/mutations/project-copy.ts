import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { copyFile, mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The project's files in a folder of their own, to be broken. */
export interface ProjectCopy {
  readonly folder: string;
  text(file: string): string;
  /** Writes files. @returns what puts them back as they were */
  write(files: ReadonlyMap<string, string>): () => void;
}

/** Copies what git knows, or would take, and links the packages. */
export async function copyProject(root: string, folder: string): Promise<ProjectCopy> {
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  for (const file of new Set(list.split('\0'))) {
    if (file === '' || file === 'node_modules' || !existsSync(join(root, file))) continue;
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await copyFile(join(root, file), join(folder, file));
  }
  await symlink(realpathSync(join(root, 'node_modules')), join(folder, 'node_modules'));

  const text = (file: string): string => readFileSync(join(folder, file), 'utf8');
  return {
    folder,
    text,
    write: (files) => {
      const former = [...files.keys()].map((file) => [file, text(file)] as const);
      for (const [file, content] of files) writeFileSync(join(folder, file), content);
      return () => {
        for (const [file, content] of former) writeFileSync(join(folder, file), content);
      };
    },
  };
}
