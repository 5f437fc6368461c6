import type { ContractColumn } from '../../../schema/schema-contract.js';
import { jsonText } from './json.js';

/**
 * Whether PostgreSQL's own reading of a value takes a time beyond any proportion to its length, seconds or hours for what
 * fits into a request: it compares each attribute of an XML element with all before, walks a text search query once for
 * each of its words, and compiles the patterns of a JSON path.
 */
export function isSlowToRead({ baseType }: ContractColumn, value: unknown): boolean {
  const isSlow = SLOW.get(baseType.replace(/^_/, ''));
  if (isSlow === undefined || value === null || value === undefined) return false;
  return isSlow(typeof value === 'string' ? value : jsonText(value));
}

const SLOW: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ['tsquery', (text: string) => text.length > MAX_QUERY_LENGTH],
  ['jsonpath', hasSlowPattern],
  ['xml', hasManyAttributes],
]);

/** Of characters. A person's search has a hundred. */
const MAX_QUERY_LENGTH = 4096;

/** Of characters of a path with a pattern; `{200}` behind a group multiplies what is in it. */
const MAX_PATTERN_LENGTH = 256;

function hasSlowPattern(path: string): boolean {
  // Outside of strings, escapes may spell the keyword, and comments may hide where strings begin.
  if (/\\|\/\*/.test(withoutStrings(path))) return true;
  return /like_regex/i.test(path) && (path.length > MAX_PATTERN_LENGTH || /[{\\]/.test(path));
}

/** Not by a pattern, which would begin at each quote of a string without an end. */
function withoutStrings(path: string): string {
  const parts: string[] = [];
  let start = 0;
  for (let open = path.indexOf('"'); open !== -1; open = path.indexOf('"', start)) {
    parts.push(path.slice(start, open));
    start = open + 1;
    while (start < path.length && path[start] !== '"') start += path[start] === '\\' ? 2 : 1;
    start++;
  }
  return parts.join('') + path.slice(start);
}

/** Of one element. */
const MAX_ATTRIBUTES = 1000;

function hasManyAttributes(xml: string): boolean {
  for (let at = xml.indexOf('<'); at !== -1; at = xml.indexOf('<', at)) {
    // What a document declares for itself is compared with all that it has declared.
    if (DECLARATIONS.some((name) => xml.startsWith(name, at))) return true;
    const [open, close] = LITERALS.find(([each]) => xml.startsWith(each, at)) ?? [];
    if (open !== undefined && close !== undefined) {
      at = xml.indexOf(close, at + open.length);
      if (at === -1) return false;
      continue;
    }
    const tag = quotedIn(xml, at + 1);
    if (tag.quoted > MAX_ATTRIBUTES) return true;
    at = tag.end;
  }
  return false;
}

const DECLARATIONS = ['<!ATTLIST', '<!ENTITY'];

/** Where neither tags nor quotes are any. */
const LITERALS = [
  ['<!--', '-->'],
  ['<![CDATA[', ']]>'],
  ['<?', '?>'],
] as const;

/** The texts in quotes up to the end of a tag, in which only they may hold a `>`. */
function quotedIn(xml: string, start: number): { readonly quoted: number; readonly end: number } {
  let [quoted, end] = [0, start];
  while (end < xml.length && xml[end] !== '>' && xml[end] !== '<') {
    if (xml[end] === '"' || xml[end] === "'") {
      const close = xml.indexOf(xml[end] ?? '', end + 1);
      end = close === -1 ? xml.length : close;
      quoted++;
    }
    end++;
  }
  return { quoted, end };
}
