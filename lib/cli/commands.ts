import { describeProblem, type SynchroProblem } from '../common/errors.js';
import { type DoctorOptions, examine } from '../operations/doctor/doctor.js';
import { synchroMigrationsSql } from '../store/migrations/index.js';
import { synchroRlsSql } from '../store/rls/rls.js';
import type { CommandOutput } from './command.js';
import { tableTypes } from './table-types.js';
import { withDataSource } from './with-data-source.js';

export async function migrations(
  { schema }: { readonly schema?: string },
  { out }: CommandOutput,
): Promise<number> {
  out(script(synchroMigrationsSql({ ...(schema !== undefined && { schema }) })));
  return 0;
}

export interface RlsCommandOptions {
  readonly dataSource: string;
  readonly role?: string;
  readonly force: boolean;
  readonly ownershipResolver: boolean;
}

export async function rls(
  { dataSource: file, ...options }: RlsCommandOptions,
  { out }: CommandOutput,
): Promise<number> {
  out(script(await withDataSource(file, (dataSource) => synchroRlsSql(dataSource, options))));
  return 0;
}

export async function types(
  { dataSource: file }: { readonly dataSource: string },
  { out }: CommandOutput,
): Promise<number> {
  out(await withDataSource(file, tableTypes));
  return 0;
}

export interface DoctorCommandOptions {
  readonly dataSource: string;
  readonly slot?: string;
  readonly publication?: string;
  readonly replicationUrl?: string;
  readonly pushRole?: string;
  readonly maxRetainedWal?: number;
  readonly ignore?: readonly string[];
  readonly json?: boolean;
}

export async function doctor(options: DoctorCommandOptions, output: CommandOutput): Promise<number> {
  const { slot, publication, replicationUrl, pushRole, maxRetainedWal, ignore = [] } = options;
  const found = await diagnose(options.dataSource, {
    ...(slot !== undefined && { slotName: slot }),
    ...(publication !== undefined && { publicationName: publication }),
    ...(pushRole !== undefined && { pushRole }),
    ...(maxRetainedWal !== undefined && { maxRetainedWal }),
    ...(replicationUrl !== undefined && { replication: { connectionString: replicationUrl } }),
  });
  const problems = found.filter(({ code }) => !ignore.includes(code));
  const ok = problems.every(({ isAdvice }) => isAdvice);
  output.out(options.json ? JSON.stringify({ ok, problems }, null, 2) : report(problems));
  return ok ? 0 : 1;
}

/** A database that can't be reached is a problem like any other. */
async function diagnose(file: string, options: DoctorOptions): Promise<readonly SynchroProblem[]> {
  return withDataSource(
    file,
    (dataSource) => examine(dataSource, options),
    (error) => [
      {
        code: 'database_unreachable',
        entity: 'DataSource',
        option: 'connection',
        message: error.message,
        fix: 'start PostgreSQL, or fix url, host, port, username, password or ssl of the DataSource',
      },
    ],
  );
}

function report(problems: readonly SynchroProblem[]): string {
  const faults = problems.filter(({ isAdvice }) => !isAdvice);
  const advice = problems.filter(({ isAdvice }) => isAdvice);
  const wrong = faults.length === 0 ? 'nothing is wrong' : listed(faults, 'is wrong', 'are wrong');
  return advice.length === 0 ? wrong : `${wrong}\n\n${listed(advice, 'to consider', 'to consider')}`;
}

function listed(problems: readonly SynchroProblem[], one: string, several: string): string {
  const count = problems.length === 1 ? `one thing ${one}` : `${problems.length} things ${several}`;
  const lines = problems.map(
    (problem) => `\n${describeProblem({ ...problem, fix: `\n  ${problem.fix}` })}  [${problem.code}]`,
  );
  return `${count}:\n${lines.join('\n')}`;
}

function script(statements: readonly string[]): string {
  return statements.map((statement) => `${statement};`).join('\n\n');
}
