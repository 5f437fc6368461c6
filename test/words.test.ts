import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';

/** Names that stand for one idea under another word in `docs/internals/glossary.md`. None is a word of English. */
const NAMES = [
  'BucketLook',
  'LOG_IS_THERE',
  'MembershipSettler',
  'OpenLists',
  'PassedOver',
  'PushEcho',
  'PushRun',
  'RulePatience',
  'RunWriter',
  'echoOf',
  'goneNewcomers',
  'hasLooked',
  'inOnePiece',
  'isEcho',
  'leaseWriter',
  'lookFor',
  'lookedUntil',
  'noteAnswer',
  'noteChanges',
  'noteLook',
  'notePassedOver',
  'notePull',
  'noteServed',
  'noteSubscriptions',
  'openRequests',
  'passedOver',
  'resettle',
  'resettleAll',
  'ResettleOptions',
  'resolveAgain',
  'settleEvent',
  'settleFailures',
  'settleRow',
  'sync_requests',
  'takenAsSent',
  'unseenBuckets',
  'unseenBucketWarnings',
  'unseenChanges',
] as const;

/** The same, where the word is also one of English: it is no identifier. */
const IDENTIFIERS = new Set([
  'Ending',
  'Glances',
  'Look',
  'Opening',
  'Run',
  'absorb',
  'alone',
  'anew',
  'contend',
  'echo',
  'glance',
  'learn',
  'look',
  'mend',
  'remedy',
  'unseen',
  'untold',
  'want',
  'wave',
  'waves',
  'withheld',
]);

const ROOT = path.resolve(import.meta.dirname, '..');
const OLD = new RegExp(String.raw`\b(${NAMES.join('|')})\b`, 'g');

async function textsOf(folder: string, ending: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(path.join(ROOT, folder), { recursive: true, withFileTypes: true });
  const files = entries.filter(({ name }) => name.endsWith(ending));
  const texts = files.map(async ({ parentPath, name }) => {
    const file = path.join(parentPath, name);
    return [path.relative(ROOT, file), await readFile(file, 'utf8')] as const;
  });
  return new Map(await Promise.all(texts));
}

function found(texts: ReadonlyMap<string, string>): readonly string[] {
  return [...texts].flatMap(([file, text]) => [...text.matchAll(OLD)].map(([word]) => `${file}: ${word}`));
}

function identifiersOf(file: string, text: string): readonly string[] {
  const names: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) names.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest));
  return names;
}

/** The first argument of each call of `it`, `test` and `describe`, with whatever they are called through. */
function titlesOf(file: string, text: string): readonly string[] {
  const titles: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^(it|test|describe)\b/.test(node.expression.getText())) {
      const [title] = node.arguments;
      if (title && (ts.isStringLiteralLike(title) || ts.isTemplateExpression(title)))
        titles.push(title.getText());
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true));
  return titles;
}

it('no former name is left in lib/', async () => {
  const texts = await textsOf('lib', '.ts');
  const identifiers = [...texts].flatMap(([file, text]) =>
    identifiersOf(file, text).flatMap((name) => (IDENTIFIERS.has(name) ? `${file}: ${name}` : [])),
  );
  expect(texts.size).toBeGreaterThan(100);
  expect([...found(texts), ...identifiers]).toEqual([]);
});

it('no former name is left in docs/', async () => {
  const texts = await textsOf('docs', '.md');
  expect(texts.size).toBeGreaterThan(10);
  expect(found(texts)).toEqual([]);
});

it('no former name is left in the names of tests', async () => {
  const texts = await textsOf('test', '.test.ts');
  const titles = new Map([...texts].map(([file, text]) => [file, titlesOf(file, text).join('\n')]));
  expect([...titles.values()].join('\n')).toContain('no former name is left in the names of tests');
  expect(found(titles)).toEqual([]);
});
