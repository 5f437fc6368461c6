/**
 * A JSON parser that refuses what the published SDKs refuse. The Kotlin one takes a number without a point for a
 * 64-bit integer, and rejects the whole answer when it is none (docs/protocol.md#values). The Swift one rejects numbers
 * that no double holds, and halves of surrogate pairs.
 */
export type SdkJson =
  null | boolean | bigint | number | string | SdkJson[] | { readonly [name: string]: SdkJson };

/** An answer as the SDKs understand it, and the `data` of its records as they were written. */
export interface SdkAnswer {
  readonly value: SdkJson;
  readonly data: readonly string[];
}

/** @throws Error naming what an SDK could not read */
export function parseAsSdk(text: string): SdkAnswer {
  const parser = new Parser(text);
  return { value: parser.document(), data: parser.data };
}

/** The number that Kotlin makes of a token. */
export function kotlinNumber(token: string): bigint | number {
  if (token.includes('.')) {
    const double = Number(token);
    if (!Number.isFinite(double)) throw new Error(`no double holds ${token}`);
    return double;
  }
  const match = /^(-?)(\d+)(?:[eE]([+-]?)(\d+))?$/.exec(token);
  if (!match) throw new Error(`no JSON number: ${token}`);
  const [, minus = '', digits = '', sign = '', exponent = '0'] = match;
  if (exponent.length > 3) throw new Error(`no 64-bit integer: ${token}`);
  const power = 10n ** BigInt(exponent);
  const whole = BigInt(minus + digits);
  if (sign === '-' && whole % power !== 0n) throw new Error(`no integer: ${token}`);
  const integer = sign === '-' ? whole / power : whole * power;
  if (BigInt.asIntN(64, integer) !== integer) throw new Error(`no 64-bit integer: ${token}`);
  return integer;
}

class Parser {
  private at = 0;
  readonly data: string[] = [];

  constructor(private readonly text: string) {}

  document(): SdkJson {
    const value = this.value();
    this.space();
    if (this.at !== this.text.length) throw this.unexpected();
    return value;
  }

  private value(): SdkJson {
    this.space();
    const [first = ''] = this.text.slice(this.at, this.at + 1);
    if (first === '{') return this.object();
    if (first === '[') return this.array();
    if (first === '"') return this.string();
    const [token] = this.match(/true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (token === 'null') return null;
    return token === 'true' || token === 'false' ? token === 'true' : kotlinNumber(token ?? '');
  }

  private object(): SdkJson {
    const members: [string, SdkJson][] = [];
    this.at++;
    if (this.take('}')) return {};
    do {
      this.space();
      const name = this.string();
      if (!this.take(':')) throw this.unexpected();
      this.space();
      const start = this.at;
      members.push([name, this.value()]);
      if (name === 'data') this.data.push(this.text.slice(start, this.at));
    } while (this.take(','));
    if (!this.take('}')) throw this.unexpected();
    return Object.fromEntries(members);
  }

  private array(): SdkJson {
    const items: SdkJson[] = [];
    this.at++;
    if (this.take(']')) return items;
    do items.push(this.value());
    while (this.take(','));
    if (!this.take(']')) throw this.unexpected();
    return items;
  }

  private string(): string {
    // eslint-disable-next-line no-control-regex
    const [token = ''] = this.match(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y);
    const text: string = JSON.parse(token);
    if (/\p{Surrogate}/u.test(text)) throw new Error(`half of a surrogate pair in ${token}`);
    return text;
  }

  private take(character: string): boolean {
    this.space();
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private space(): void {
    this.match(/[ \t\r\n]*/y);
  }

  private match(pattern: RegExp): RegExpExecArray {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (!found) throw this.unexpected();
    this.at += found[0].length;
    return found;
  }

  private unexpected(): Error {
    return new Error(`unexpected JSON at ${this.at}: ${this.text.slice(this.at, this.at + 40)}`);
  }
}

/** What Swift's ISO8601DateFormatter reads, with or without a fraction. */
export function isSwiftDate(text: string): boolean {
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)$/.exec(text);
  if (!match) return false;
  const [, , month, day, hour, minute, second] = match.map(Number);
  const parts = [month, day, hour, minute, second].map((part) => part ?? 0);
  return [[1, 12], [1, 31], [0, 23], [0, 59], [0, 59]].every(
    ([low = 0, high = 0], index) => (parts[index] ?? -1) >= low && (parts[index] ?? -1) <= high,
  ); // prettier-ignore
}
