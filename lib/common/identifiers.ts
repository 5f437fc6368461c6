/** Quotes one SQL identifier; embedded quotes are doubled. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes a schema-qualified relation name. */
export function quoteRelation(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

/** A name as SQL reads it, in the catalog's own spelling. */
export interface QualifiedName {
  /** null: found along the search path. */
  readonly schema: string | null;
  readonly name: string;
}

/**
 * Reads `name` or `schema.name` by SQL's rules: names without double quotes are folded to lower case.
 * @returns null for anything else, such as an expression
 */
export function parseQualifiedName(text: string): QualifiedName | null {
  const match = QUALIFIED_NAME.exec(text);
  if (!match?.[2]) return null;
  return { schema: match[1] === undefined ? null : unquoted(match[1]), name: unquoted(match[2]) };
}

/** Quotes a name with its schema, if it has one. */
export function quoteQualifiedName({ schema, name }: QualifiedName): string {
  return schema === null ? quoteIdentifier(name) : quoteRelation(schema, name);
}

const PART = String.raw`[A-Za-z_][A-Za-z0-9_$]*|"(?:[^"\0]|"")+"`;
const QUALIFIED_NAME = new RegExp(`^(?:(${PART})\\.)?(${PART})$`);

function unquoted(part: string): string {
  return part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part.toLowerCase();
}

/** Quotes one SQL string literal, for the few places that take no parameters (DDL, replication commands). */
export function quoteLiteral(value: string): string {
  const quoted = `'${value.replaceAll("'", "''")}'`;
  return quoted.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}
