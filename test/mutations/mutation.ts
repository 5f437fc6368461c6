/** A text that is to be replaced; it must occur exactly once in its file, so that the lists stay honest as code moves. */
export interface Edit {
  /** Path from the root of the project. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** Some tests of one file. */
export interface TestChoice {
  /** Path from the root of the project. */
  readonly file: string;
  /** A piece of the full name (those of its `describe`s, then its own, with a space between them). */
  readonly name: string;
}

/** One deliberate break: a mistake that somebody could make. */
export interface Mutation extends Edit {
  /** In kebab-case; says what the broken code does. */
  readonly name: string;
  /** Further edits, where one alone would not be the mistake that is meant. */
  readonly also?: readonly Edit[];
  /** The cheapest tests that notice: each of them need not, one must. */
  readonly tests: readonly TestChoice[];
  /** The rule that is broken, and what users would lose by it. */
  readonly why: string;
}

/** All edits of a mutation. */
export function editsOf({ file, find, replace, also = [] }: Mutation): readonly Edit[] {
  return [{ file, find, replace }, ...also];
}

/**
 * The file's text with the edit.
 * @throws Error when the text to replace isn't there, or is there more than once
 */
export function applyEdit(text: string, { file, find, replace }: Edit): string {
  const [before = '', ...rest] = text.split(find);
  const [after] = rest;
  if (after === undefined || rest.length > 1) {
    throw new Error(`${file} has ${rest.length} places, not one, with:\n${find}`);
  }
  return before + replace + after;
}
