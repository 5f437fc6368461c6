/** A default as PostgreSQL prints it, as far as it is made of literals, clock functions, casts and `ARRAY[…]`. */
export type DefaultExpression =
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'clock'; readonly unit: 'timestamp' | 'date' | 'time' }
  | { readonly kind: 'array'; readonly items: readonly DefaultExpression[] }
  | { readonly kind: 'cast'; readonly value: DefaultExpression; readonly type: CastType };

/** The target of a `::` cast. */
export interface CastType {
  /** Without schema, quotes and type modifiers, e.g. `character varying`, `timestamp with time zone`. */
  readonly name: string;
  /** Type modifiers, e.g. `[10, 2]` of `numeric(10,2)`. */
  readonly modifiers: readonly number[];
  readonly isArray: boolean;
}

/** Parses a default expression; null when anything else is in it (operators, calls with arguments, columns). */
export function parseDefaultExpression(sql: string): DefaultExpression | null {
  const tokens = tokenize(sql);
  if (tokens === null) return null;
  const parser = new Parser(tokens);
  const expression = parser.expression();
  return expression !== null && parser.atEnd() ? expression : null;
}

interface Token {
  readonly kind: 'string' | 'number' | 'word' | 'quoted' | 'symbol';
  readonly text: string;
}

const TOKEN =
  /\s*(?:(?<string>'(?:[^']|'')*')|(?<number>[+-]?\d+(?:\.\d+)?)|(?<word>[\p{L}_][\p{L}\d_$]*)|(?<quoted>"(?:[^"]|"")+")|(?<symbol>::|[()[\],.]))\s*/uy;

/** Null for anything that no portable default has, such as an operator. */
function tokenize(sql: string): readonly Token[] | null {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < sql.length) {
    const groups = TOKEN.exec(sql)?.groups;
    if (!groups) return null;
    const { string, number, word, quoted, symbol } = groups;
    if (string !== undefined) tokens.push({ kind: 'string', text: unquote(string) });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number });
    else if (word !== undefined) tokens.push({ kind: 'word', text: word.toLowerCase() });
    else if (quoted !== undefined) tokens.push({ kind: 'quoted', text: unquote(quoted) });
    else if (symbol !== undefined) tokens.push({ kind: 'symbol', text: symbol });
  }
  return tokens;
}

function unquote(quoted: string): string {
  const quote = quoted.charAt(0);
  return quoted.slice(1, -1).replaceAll(quote + quote, quote);
}

const CONSTANTS: ReadonlyMap<string, DefaultExpression> = new Map<string, DefaultExpression>([
  ['null', { kind: 'null' }],
  ['true', { kind: 'boolean', value: true }],
  ['false', { kind: 'boolean', value: false }],
  ['current_timestamp', { kind: 'clock', unit: 'timestamp' }],
  ['current_date', { kind: 'clock', unit: 'date' }],
  ['current_time', { kind: 'clock', unit: 'time' }],
]);

/** Functions that give the transaction's or statement's time; clock_timestamp() differs from row to row. */
const CLOCK_FUNCTIONS: ReadonlySet<string> = new Set(['now', 'transaction_timestamp', 'statement_timestamp']);

class Parser {
  private position = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  atEnd(): boolean {
    return this.position === this.tokens.length;
  }

  expression(): DefaultExpression | null {
    let value = this.primary();
    while (value !== null && this.take('::')) {
      const type = this.castType();
      value = type === null ? null : { kind: 'cast', value, type };
    }
    return value;
  }

  private primary(): DefaultExpression | null {
    if (this.take('(')) {
      const inner = this.expression();
      return this.take(')') ? inner : null;
    }
    const token = this.tokens[this.position++];
    if (token?.kind === 'string') return { kind: 'string', text: token.text };
    if (token?.kind === 'number') return { kind: 'number', text: token.text };
    if (token?.kind !== 'word') return null;
    if (token.text === 'array') return this.arrayItems();
    if (!CLOCK_FUNCTIONS.has(token.text)) return CONSTANTS.get(token.text) ?? null;
    return this.take('(') && this.take(')') ? { kind: 'clock', unit: 'timestamp' } : null;
  }

  private arrayItems(): DefaultExpression | null {
    if (!this.take('[')) return null;
    const items: DefaultExpression[] = [];
    if (this.take(']')) return { kind: 'array', items };
    do {
      const item = this.expression();
      if (item === null) return null;
      items.push(item);
    } while (this.take(','));
    return this.take(']') ? { kind: 'array', items } : null;
  }

  /** Type names have several words, and modifiers among them: `timestamp(3) with time zone`. */
  private castType(): CastType | null {
    let words: string[] = [];
    let modifiers: readonly number[] = [];
    let isArray = false;
    for (;;) {
      const token = this.tokens[this.position];
      if (token?.kind === 'word' || token?.kind === 'quoted') {
        words.push(token.text);
        this.position++;
      } else if (words.length > 0 && this.take('.')) {
        words = [];
      } else if (words.length > 0 && this.take('(')) {
        const numbers = this.modifiers();
        if (numbers === null) return null;
        modifiers = numbers;
      } else if (words.length > 0 && this.take('[')) {
        if (!this.take(']')) return null;
        isArray = true;
      } else {
        return words.length === 0 ? null : { name: words.join(' '), modifiers, isArray };
      }
    }
  }

  private modifiers(): readonly number[] | null {
    const numbers: number[] = [];
    do {
      const token = this.tokens[this.position++];
      if (token?.kind !== 'number') return null;
      numbers.push(Number(token.text));
    } while (this.take(','));
    return this.take(')') ? numbers : null;
  }

  private take(symbol: string): boolean {
    const token = this.tokens[this.position];
    if (token?.kind !== 'symbol' || token.text !== symbol) return false;
    this.position++;
    return true;
  }
}
