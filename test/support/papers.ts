import type { Page } from './readme.js';

/** The targets of the links of a page that lead into the repository, images among them. */
export function linksOf({ text }: Page): readonly string[] {
  const prose = text.replaceAll(/^```[^]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, '`…`');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target));
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf({ text }: Page): ReadonlySet<string> {
  const prose = text.replaceAll(/^```[^]*?^```$/gm, '');
  return new Set(
    [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** What a comment in the code cites. */
export interface Reference {
  readonly kind: 'interleaving' | 'scenario' | 'hazard' | 'page';
  /** A number, an id, or a path with an anchor perhaps. */
  readonly name: string;
  /** Path and line. */
  readonly at: string;
}

const KINDS: readonly (readonly [kind: Reference['kind'], pattern: RegExp])[] = [
  ['interleaving', /\binterleavings? (\d+)/g],
  ['scenario', /\bscenarios? (\d+)/g],
  ['hazard', /\b(W-[A-Z]+-\d+)\b/g],
  ['page', /\b(docs\/[\w/-]+\.(?:md|svg)(?:#[\w-]+)?)/g],
];

/** The references in the comments of a file. */
export function referencesOf({ path, text }: Page): readonly Reference[] {
  return text.split('\n').flatMap((line, index) => {
    const [comment] = /(?:^\s*\/?\*|\/\/|\/\*\*).*/.exec(line) ?? [];
    if (comment === undefined) return [];
    return KINDS.flatMap(([kind, pattern]) =>
      [...comment.matchAll(pattern)].map(([, name = '']) => ({ kind, name, at: `${path}:${index + 1}` })),
    );
  });
}
