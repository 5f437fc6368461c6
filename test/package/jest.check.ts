import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pack, type PackedPackage } from '../support/packed.js';
import { testFolder } from '../support/run.js';
import { runNpm, runProgram } from '../support/run-program.js';

const ENTITY = `
import { SyncTable } from 'nestjs-synchro';
import { Column, DeleteDateColumn, Entity, PrimaryGeneratedColumn, UpdateDateColumn } from 'typeorm';

@Entity('tasks')
@SyncTable({ ownerColumn: 'user_id' })
export class Task {
  @PrimaryGeneratedColumn('uuid') id: string;
  @Column('text') title: string;
  @Column('text') user_id: string;
  @UpdateDateColumn({ type: 'timestamptz' }) updated_at: Date;
  @DeleteDateColumn({ type: 'timestamptz' }) deleted_at: Date | null;
}
`;

const SPEC = `
import { JwtGuard, SynchroModule } from 'nestjs-synchro';
import { SyncDevice } from 'nestjs-synchro/testing';
import { Task } from './task.entity';

it('a decorated entity, the module and a device are there', () => {
  expect(new Task()).toBeInstanceOf(Task);
  expect(new SyncDevice({ target: 'http://localhost:3000/sync' })).toBeInstanceOf(SyncDevice);
  expect(SynchroModule.forRoot({ guards: [JwtGuard({ secret: 'x'.repeat(32) })], userId: () => 'alice' }).module).toBe(SynchroModule);
});
`;

/** Nest 11 is the last whose own apps are CommonJS and tested by Jest. */
describe('a new app of Nest 11, as its CLI makes it', () => {
  let folder: string;
  let app: string;
  let packed: PackedPackage;

  beforeAll(async () => {
    folder = await testFolder();
    app = join(folder, 'app');
    packed = await pack(folder);
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it('installs the package, and npm complains of nothing', async () => {
    const cli = ['exec', '--yes', '--package=@nestjs/cli@11', '--'];
    const options = ['-p', 'npm', '--skip-install', '--skip-git'];
    await runNpm([...cli, 'nest', 'new', 'app', ...options], { cwd: folder });
    const packages = [packed.tarball, '@nestjs/typeorm@11', 'typeorm@0.3', 'pg'];
    const { stderr } = await runNpm(['install', '--no-audit', '--no-fund', ...packages], { cwd: app });
    expect(stderr).not.toMatch(/EBADENGINE|ERESOLVE|peer/);
    await mkdir(join(app, 'src', 'tasks'));
    await writeFile(join(app, 'src', 'tasks', 'task.entity.ts'), ENTITY);
    await writeFile(join(app, 'src', 'tasks', 'task.entity.spec.ts'), SPEC);
  });

  it('is tested by Jest and ts-jest without a line of configuration', async () => {
    const { stderr } = await runNpm(['test'], { cwd: app });
    expect(stderr).toMatch(/Tests: +2 passed, 2 total/);
  });

  it('compiles, also with `moduleResolution: node`, and loads', async () => {
    await runNpm(['run', 'build'], { cwd: app });
    const node = [
      '--module',
      'commonjs',
      '--moduleResolution',
      'node',
      '--resolvePackageJsonExports',
      'false',
    ];
    const tsc = join('node_modules', 'typescript', 'bin', 'tsc');
    await runProgram(process.execPath, [tsc, '-p', 'tsconfig.json', '--noEmit', ...node], { cwd: app });
    const loads = "require('./dist/tasks/task.entity.js')";
    await runProgram(process.execPath, ['-e', loads], { cwd: app });
  });
});
