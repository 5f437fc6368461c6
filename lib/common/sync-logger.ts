import { Logger, type LoggerService } from '@nestjs/common';
import { printable } from './printable.js';

/** What a log line is about: names, counts, ids. Never row data, never a token. */
export type LogFields = Readonly<Record<string, string | number | bigint | boolean | undefined>>;

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
    if (this.host) this.host.debug?.(...this.structured(message, fields));
    else this.nest.debug(asText(message, fields));
  }

  log(message: string, fields: LogFields = {}): void {
    if (this.host) this.host.log(...this.structured(message, fields));
    else this.nest.log(asText(message, fields));
  }

  warn(message: string, fields: LogFields = {}): void {
    if (this.host) this.host.warn(...this.structured(message, fields));
    else this.nest.warn(asText(message, fields));
  }

  error(message: string, fields: LogFields = {}): void {
    if (this.host) this.host.error(...this.structured(message, fields));
    else this.nest.error(asText(message, fields));
  }

  private structured(message: string, fields: LogFields): [object, string] {
    return [{ message: printable(message, LONG), ...Object.fromEntries(present(fields)) }, this.context];
  }
}

/** Characters of a message, an error or a stack, and of any other field, such as an id. */
const [LONG, SHORT] = [8_000, 256];
const LONG_FIELDS: ReadonlySet<string> = new Set(['error', 'stack', 'first', 'reason', 'tables']);

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
