/** An element of a PostgreSQL array in text form; nested arrays for further dimensions. */
export type PgArrayElement = string | null | readonly PgArrayElement[];

/**
 * Reads PostgreSQL's array text form (`{a,"b c",NULL,{…}}`, array_in of the manual §8.15.6). Null for anything
 * else, and for arrays with bounds of their own (`[0:1]={…}`), which JSON can't express.
 *
 * @param delimiter `typdelim` of the elements' type: `;` for box, `,` for all others of PostgreSQL's own
 */
export function parsePgArray(text: string, delimiter = ','): readonly PgArrayElement[] | null {
  const reader = new Reader(text, delimiter);
  const array = reader.array();
  return array !== null && reader.atEnd() ? array : null;
}

/**
 * Writes what {@link parsePgArray} reads. In one piece, for thousands of elements: `pg` replaces twice in each, and adds
 * them up one by one.
 */
export function writePgArray(elements: readonly (string | null)[]): string {
  if (elements.length === 0) return '{}';
  return elements.every(isPlain)
    ? `{"${elements.join('","')}"}`
    : `{${elements.map((element) => (element === null ? 'NULL' : quoted(element))).join(',')}}`;
}

function isPlain(element: string | null): boolean {
  return element !== null && !element.includes('"') && !element.includes('\\');
}

function quoted(element: string): string {
  return `"${element.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

class Reader {
  private position = 0;

  private readonly bare: RegExp;

  constructor(
    private readonly text: string,
    private readonly delimiter: string,
  ) {
    this.bare = new RegExp(
      String.raw`(?:[^{}"\\\u{${delimiter.codePointAt(0)?.toString(16)}}]|\\[^])+`,
      'yu',
    );
  }

  atEnd(): boolean {
    this.skipSpace();
    return this.position === this.text.length;
  }

  array(): readonly PgArrayElement[] | null {
    if (!this.take('{')) return null;
    const elements: PgArrayElement[] = [];
    if (this.take('}')) return elements;
    do {
      const element = this.element();
      if (element === undefined) return null;
      elements.push(element);
    } while (this.take(this.delimiter));
    return this.take('}') ? elements : null;
  }

  /** Undefined where no element is. */
  private element(): PgArrayElement | undefined {
    this.skipSpace();
    if (this.text[this.position] === '{') return this.array() ?? undefined;
    const quoted = this.match(/"((?:[^"\\]|\\[^])*)"/y);
    if (quoted !== null) return unescape(quoted.slice(1, -1));
    const bare = this.match(this.bare)?.trimEnd();
    if (bare === undefined || bare === '') return undefined;
    return bare.toUpperCase() === 'NULL' ? null : unescape(bare);
  }

  private take(character: string): boolean {
    this.skipSpace();
    if (this.text[this.position] !== character) return false;
    this.position++;
    return true;
  }

  private skipSpace(): void {
    this.match(/\s*/y);
  }

  private match(pattern: RegExp): string | null {
    pattern.lastIndex = this.position;
    const found = pattern.exec(this.text)?.[0] ?? null;
    if (found !== null) this.position += found.length;
    return found;
  }
}

function unescape(text: string): string {
  return text.replaceAll(/\\([^])/g, '$1');
}
