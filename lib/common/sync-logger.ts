import { Logger, type LoggerService } from '@nestjs/common';
import { printable } from './printable.js';
import { describeError } from './describe-error.js';

/** The fields of a log line: names, counts, ids. Never row data, never a token. */
export type LogFields = Readonly<Record<string, string | number | bigint | boolean | undefined>>;

type Level = 'debug' | 'log' | 'warn' | 'error';

/**
 * Log lines with a stable message and fields of their own. A logger of the host's (`logger` in the options) gets
 * `{ message, ...fields }` and the context, as structured loggers for Nest take it; Nest's own gets one line of text,
 * with the fields as `name=value` behind the message. Texts are made {@link printable} for both.
 */
export class SyncLogger {
  private readonly nest: Logger;

  constructor(
    private readonly host: LoggerService | undefined,
    private readonly context: string,
  ) {
    this.nest = new Logger(context);
  }

  debug(message: string, fields: LogFields = {}): void {
    this.write('debug', message, fields);
  }

  log(message: string, fields: LogFields = {}): void {
    this.write('log', message, fields);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.write('warn', message, fields);
  }

  error(message: string, fields: LogFields = {}): void {
    this.write('error', message, fields);
  }

  /** A logger that fails costs its line the format, not the caller its work: it would end the consumer, or the process. */
  private write(level: Level, message: string, fields: LogFields): void {
    const failed = (error: unknown): void => {
      const thrown = error instanceof Error ? describeError(error) : typeof error;
      const why = asText('the logger failed', { context: this.context, error: thrown });
      process.stderr.write(`${why}\n${asText(message, fields)}\n`);
    };
    try {
      const written: unknown = this.host
        ? this.host[level]?.(...this.structured(message, fields))
        : this.nest[level](asText(message, fields));
      if (isPromise(written)) written.then(undefined, failed);
    } catch (error) {
      failed(error);
    }
  }

  private structured(message: string, fields: LogFields): [object, string] {
    return [{ message: printable(message, LONG), ...Object.fromEntries(present(fields)) }, this.context];
  }
}

/** Characters of a message, an error or a stack, and of any other field, such as an id. */
const [LONG, SHORT] = [8_000, 256];
const LONG_FIELDS: ReadonlySet<string> = new Set(['error', 'stack', 'first', 'reason', 'tables']);
function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function asText(message: string, fields: LogFields): string {
  const shown = present(fields).map(([name, value]) => `${name}=${quoted(String(value))}`);
  return [printable(message, LONG), ...shown].join(' ');
}

/** JSON has no bigint. */
function present(fields: LogFields): [string, string | number | boolean][] {
  return Object.entries(fields).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (typeof value === 'bigint') return [[name, `${value}`]];
    return [[name, typeof value === 'string' ? printableField(name, value) : value]];
  });
}

/** The lines of a stack are ours. */
function printableField(name: string, value: string): string {
  const length = LONG_FIELDS.has(name) ? LONG : SHORT;
  const lines = name === 'stack' ? value.split('\n') : [value];
  return lines.map((line) => printable(line, length)).join('\n');
}

/** Quoted where it could be taken for the next field, or for the next line. */
function quoted(value: string): string {
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}
