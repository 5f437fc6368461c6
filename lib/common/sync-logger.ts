import { Logger, type LoggerService } from '@nestjs/common';

/** What a log line is about: names, counts, ids. Never row data, never a token. */
export type LogFields = Readonly<Record<string, string | number | bigint | boolean | undefined>>;

/**
 * Log lines with a stable message and fields of their own. A logger of the host's (`logger` in the options) gets
 * `{ message, ...fields }` and the context, as structured loggers for Nest take it; Nest's own gets one line of text,
 * with the fields as `name=value` behind the message.
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
    // JSON has no bigint.
    const values = present(fields).map(([name, value]) => [
      name,
      typeof value === 'bigint' ? `${value}` : value,
    ]);
    return [{ message, ...Object.fromEntries(values) }, this.context];
  }
}

function asText(message: string, fields: LogFields): string {
  return [message, ...present(fields).map(([name, value]) => `${name}=${quoted(String(value))}`)].join(' ');
}

function present(fields: LogFields): [string, string | number | bigint | boolean | undefined][] {
  return Object.entries(fields).filter(([, value]) => value !== undefined);
}

/** Quoted where it could be taken for the next field, or for the next line. */
function quoted(value: string): string {
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}
