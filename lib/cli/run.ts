import { createRequire } from 'node:module';
import { withoutPasswords } from '../common/printable.js';
import type { CommandOutput } from './command.js';
import { COMMANDS } from './commands.js';
import { UsageError } from './usage.error.js';

/**
 * Runs one command line.
 * @param args without the program's own name
 * @returns the exit status: 0 when all is well, 1 when something is wrong, 2 for a command line that makes no sense
 */
export async function run(args: readonly string[], output: CommandOutput): Promise<number> {
  const [name, ...rest] = args;
  if (name === '--version') {
    output.out(version());
    return 0;
  }
  if (name === undefined || name === 'help' || args.includes('--help')) {
    output.out(USAGE);
    return name === undefined ? 2 : 0;
  }
  const command = COMMANDS.get(name);
  try {
    if (!command) throw new UsageError(`there is no command ${name}`);
    return await command(rest, output);
  } catch (error) {
    const isUsage = error instanceof UsageError;
    const text = withoutPasswords(error instanceof Error ? error.message : String(error));
    output.err(isUsage ? `${text}\n\n${USAGE}` : text);
    return isUsage ? 2 : 1;
  }
}

const USAGE = `nestjs-synchro <command>

  migrations            prints the SQL that makes the sync tables
  rls                   prints the SQL of the synced tables' row-level security
  doctor                says what is wrong with the database, the roles and the tables, and what fixes it

Options of migrations:
  --schema              schema of the sync tables (default: that of the tool that runs the SQL)
Options of rls and doctor:
  -d, --data-source     JavaScript file that exports the app's TypeORM DataSource (as for TypeORM's own commands)
Options of rls:
  --role                role that the policies are for (default: PUBLIC)
  --force               bind the tables' owner, too
  --ownership-resolver  an OwnershipResolver of yours says who reads the rows
Options of doctor:
  --slot                replication.slotName of the app (default: synchro_<database>)
  --publication         replication.publicationName (default: synchro_<database>)
  --replication-url     connection of the consumer, where it is not the DataSource's
  --push-role           pushRole of the app
  --max-retained-wal    bytes of WAL that a slot may keep while nobody reads it (default: 1 GiB)
  --ignore              code of a problem that you know of; may be repeated
  --json                one JSON object: {"ok": …, "problems": [{"code", "entity", "option", "message", "fix"}]}

Exit status: 0 when all is well, 1 when something is wrong, 2 for a wrong command line.`;

function version(): string {
  const { version: text } = createRequire(import.meta.url)('nestjs-synchro/package.json') as {
    version: string;
  };
  return text;
}
