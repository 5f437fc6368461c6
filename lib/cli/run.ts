import { CommanderError } from 'commander';
import { withoutPasswords } from '../common/printable.js';
import type { CommandOutput } from './command.js';
import { commandLine } from './command-line.js';
import { UsageError } from './usage.error.js';

/**
 * Runs one command line.
 * @param args without the program's own name
 * @returns the exit status: 0 when all is well, 1 when something is wrong, 2 for a command line that makes no sense
 */
export async function run(args: readonly string[], output: CommandOutput): Promise<number> {
  let status = 0;
  try {
    await commandLine(output, (ended) => (status = ended)).parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    // It has said what it is about.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    output.err(withoutPasswords(error instanceof Error ? error.message : String(error)));
    return error instanceof UsageError ? 2 : 1;
  }
}
