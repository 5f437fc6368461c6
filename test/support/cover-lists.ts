/** A list in `test/` of what this suite has to cover. */
export interface CoverList {
  readonly file: string;
  /** The keys that it must have, and no others; null: those that it has, each of them with a test. */
  readonly keys: readonly string[] | null;
  /** The key stands in brackets in the name of each of its tests, and in no other's. */
  readonly tagged?: boolean;
}

/** How many faults of each kind `hazards.md` is about. */
const HAZARDS = {
  PUSH: 22,
  PULL: 16,
  SNAP: 10,
  CMP: 5,
  WAL: 18,
  OWN: 7,
  REG: 4,
  SCH: 9,
  DATA: 9,
  HTTP: 8,
  CLI: 3,
  HOST: 101,
  SDK: 7,
  LOAD: 40,
  LIVE: 12,
  WRITE: 9,
  CLIENT: 33,
};

export const LISTS: readonly CoverList[] = [
  // The reference's own scenarios, sections A to M and Q.
  { file: 'scenarios.json', keys: [...range(1, 156), ...range(182, 195)].map(String) },
  { file: 'configuration-page.json', keys: null },
  {
    file: 'hazards.json',
    keys: [
      ...Object.entries(HAZARDS).flatMap(([kind, count]) => range(1, count).map((n) => `W-${kind}-${n}`)),
      ...range(1, 26).map((n) => `interleaving ${n}`),
    ],
    tagged: true,
  },
];

/**
 * A key → the tests that cover it, or why none has to. A test is named by its file and its titles
 * (`file.test.ts > describe > it`); the name of a file or a `describe` stands for all tests within.
 */
export type Covers = Readonly<Record<string, readonly string[] | { readonly exempt: string }>>;

/** A test's name → how it ended. */
export type TestStates = ReadonlyMap<string, string>;

/** What is wrong with a list, and which of its keys have no test that passed; one line each. */
export function coverProblems(
  { keys, tagged = false }: CoverList,
  covers: Covers,
  states: TestStates,
): readonly string[] {
  const listed = Object.keys(covers);
  return [
    ...listed.filter((key) => keys?.includes(key) === false).map((key) => `there is no ${key} to cover`),
    ...(keys ?? listed).flatMap((key) =>
      keyProblems(covers[key], keys !== null, states).map((problem) => `${key}: ${problem}`),
    ),
    ...(tagged ? tagProblems(covers, ranOf(states)) : []),
  ];
}

/** A test that is skipped covers nothing, so that nothing has to list it. */
function ranOf(states: TestStates): readonly string[] {
  return [...states].flatMap(([test, state]) => (state === 'skipped' ? [] : test));
}

const TAG = /\[(W-[A-Z]+-\d+|interleaving \d+)\]/g;

/** Where the names of the tests and the list say different things. */
function tagProblems(covers: Covers, tests: readonly string[]): readonly string[] {
  const listed = (key: string): readonly string[] => {
    const cover = covers[key];
    return cover === undefined || 'exempt' in cover ? [] : cover;
  };
  return [
    ...Object.keys(covers).flatMap((key) =>
      listed(key).flatMap((name) =>
        name.includes(`[${key}]`) ? [] : [`${key}: "${name}" is not named after it`],
      ),
    ),
    ...tests.flatMap((test) =>
      [...test.matchAll(TAG)].flatMap(([, key = '']) =>
        listed(key).includes(test) ? [] : [`${key}: "${test}" is not listed`],
      ),
    ),
  ];
}

function keyProblems(
  cover: Covers[string] | undefined,
  mayBeExempt: boolean,
  states: TestStates,
): readonly string[] {
  if (cover === undefined) return ['is not listed'];
  if ('exempt' in cover) {
    if (!mayBeExempt) return ['may not be exempt'];
    return cover.exempt === '' ? ['is exempt without a reason'] : [];
  }
  if (cover.length === 0) return ['has no test'];
  return cover.flatMap((name) => {
    const covering = [...states].filter(([test]) => test === name || test.startsWith(`${name} > `));
    if (covering.length === 0) return [`there is no test "${name}"`];
    return covering.flatMap(([test, state]) => (state === 'passed' ? [] : [`"${test}" is ${state}`]));
  });
}

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
