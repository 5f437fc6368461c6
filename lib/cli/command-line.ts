import { createRequire } from 'node:module';
import { Command, InvalidArgumentError } from 'commander';
import { withoutPasswords } from '../common/printable.js';
import type { CommandOutput } from './command.js';
import { doctor, migrations, rls, types } from './commands.js';

const EXIT_STATUS = 'Exit status: 0 when all is well, 1 when something is wrong, 2 for a wrong command line.';

/**
 * What `nestjs-synchro` understands.
 * @param onEnd called with the exit status of the command that has run
 */
export function commandLine(output: CommandOutput, onEnd: (status: number) => void): Command {
  const program = new Command('nestjs-synchro')
    .description("SQL for other migration tools, the tables' types, and a doctor for the database")
    .version(version(), '--version')
    .helpOption('--help')
    .addHelpText('after', `\n${EXIT_STATUS}`)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.out(text.trimEnd()),
      writeErr: (text) => output.err(withoutPasswords(text.trimEnd())),
    });

  program
    .command('migrations')
    .description('prints the SQL that makes the sync tables')
    .option('--schema <name>', 'schema of the sync tables (default: that of the tool that runs the SQL)')
    .action(async (options: Parameters<typeof migrations>[0]) => onEnd(await migrations(options, output)));

  withDataSourceOption(program.command('rls'))
    .description("prints the SQL of the synced tables' row-level security")
    .option('--role <name>', 'role that the policies are for (default: PUBLIC)')
    .option('--force', "bind the tables' owner, too", false)
    .option('--ownership-resolver', 'an OwnershipResolver of yours says who reads the rows', false)
    .action(async (options: Parameters<typeof rls>[0]) => onEnd(await rls(options, output)));

  withDataSourceOption(program.command('types'))
    .description("prints the synced tables' TypeScript types, for the client")
    .action(async (options: Parameters<typeof types>[0]) => onEnd(await types(options, output)));

  withDataSourceOption(program.command('doctor'))
    .description('says what is wrong with the database, the roles and the tables, and how to fix it')
    .option('--slot <name>', 'replication.slotName of the app (default: synchro_<database>)')
    .option('--publication <name>', 'replication.publicationName of the app (default: synchro_<database>)')
    .option('--replication-url <url>', "connection of the consumer, where it is not the DataSource's")
    .option('--push-role <name>', 'pushRole of the app')
    .option(
      '--max-retained-wal <bytes>',
      'bytes of WAL that a slot may keep while nobody reads it (default: 1 GiB)',
      bytes,
    )
    .option('--ignore <code>', 'a problem that you know of; may be repeated', collect)
    .option(
      '--json',
      'one JSON object: {"ok": …, "problems": [{"code", "entity", "option", "message", "fix"}]}',
    )
    .action(async (options: Parameters<typeof doctor>[0]) => onEnd(await doctor(options, output)));

  return program;
}

function withDataSourceOption(command: Command): Command {
  return command.requiredOption(
    '-d, --data-source <file>',
    "file that exports the app's TypeORM DataSource, as for TypeORM's own commands",
  );
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function bytes(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError(`It takes a number of bytes, not ${text}.`);
}

function version(): string {
  const { version: text } = createRequire(import.meta.url)('nestjs-synchro/package.json') as {
    version: string;
  };
  return text;
}
