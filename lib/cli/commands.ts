import { type ParseArgsConfig, parseArgs } from 'node:util';
import { describeProblem, type SynchroProblem } from '../common/errors.js';
import { type DoctorOptions, examine } from '../operations/doctor/doctor.js';
import { synchroMigrationsSql } from '../store/migrations/index.js';
import { synchroRlsSql } from '../store/rls/rls.js';
import type { Command, CommandOutput } from './command.js';
import { UsageError } from './usage.error.js';
import { withDataSource } from './with-data-source.js';

export const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['migrations', migrations],
  ['rls', rls],
  ['doctor', doctor],
]);

async function migrations(args: readonly string[], { out }: CommandOutput): Promise<number> {
  const { schema } = parse(args, { schema: { type: 'string' } });
  out(script(synchroMigrationsSql(given('schema', schema))));
  return 0;
}

async function rls(args: readonly string[], { out }: CommandOutput): Promise<number> {
  const {
    'data-source': file,
    role,
    force,
    'ownership-resolver': ownershipResolver,
  } = parse(args, {
    ...DATA_SOURCE,
    role: { type: 'string' },
    force: { type: 'boolean' },
    'ownership-resolver': { type: 'boolean' },
  });
  const options = {
    ...given('role', role),
    force: force ?? false,
    ownershipResolver: ownershipResolver ?? false,
  };
  out(script(await withDataSource(file, (dataSource) => synchroRlsSql(dataSource, options))));
  return 0;
}

async function doctor(args: readonly string[], output: CommandOutput): Promise<number> {
  const values = parse(args, {
    ...DATA_SOURCE,
    slot: { type: 'string' },
    publication: { type: 'string' },
    'replication-url': { type: 'string' },
    'push-role': { type: 'string' },
    'max-retained-wal': { type: 'string' },
    ignore: { type: 'string', multiple: true },
    json: { type: 'boolean' },
  });
  const found = await diagnose(values['data-source'], {
    ...given('slotName', values.slot),
    ...given('publicationName', values.publication),
    ...given('pushRole', values['push-role']),
    ...given('maxRetainedWal', bytes(values['max-retained-wal'])),
    ...given('replication', connection(values['replication-url'])),
  });
  const problems = found.filter(({ code }) => !values.ignore?.includes(code));
  const ok = problems.every(({ isAdvice }) => isAdvice);
  output.out(values.json ? JSON.stringify({ ok, problems }, null, 2) : report(problems));
  return ok ? 0 : 1;
}

/** A database that can't be reached is a problem like any other. */
async function diagnose(
  file: string | undefined,
  options: DoctorOptions,
): Promise<readonly SynchroProblem[]> {
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

const DATA_SOURCE = { 'data-source': { type: 'string', short: 'd' } } as const;

function parse<Options extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: Options,
): ReturnType<typeof parseArgs<{ options: Options }>>['values'] {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function given<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): Partial<Record<Name, Value>> {
  return value === undefined ? {} : ({ [name]: value } as Record<Name, Value>);
}

function bytes(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new UsageError(`--max-retained-wal takes a number of bytes, not ${text}`);
}

function connection(url: string | undefined): DoctorOptions['replication'] | undefined {
  return url === undefined ? undefined : { connectionString: url };
}
