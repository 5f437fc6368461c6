/** The reference's own scenarios that this suite has to cover: sections A to M and Q. */
const REQUIRED = [...range(1, 156), ...range(182, 195)];

/**
 * A scenario's number → the tests that cover it, or why none has to. A test is named by its file and its titles
 * (`file.test.ts > describe > it`); the name of a file or a `describe` stands for all tests within.
 */
export type Scenarios = Readonly<Record<string, readonly string[] | { readonly exempt: string }>>;

/** A test's name → how it ended. */
export type TestStates = ReadonlyMap<string, string>;

/** What is wrong with the list, and which scenarios have no test that passed; one line each. */
export function scenarioProblems(scenarios: Scenarios, states: TestStates): readonly string[] {
  const unknown = Object.keys(scenarios).filter((number) => !REQUIRED.includes(Number(number)));
  return [
    ...unknown.map((number) => `there is no scenario ${number}`),
    ...REQUIRED.flatMap((number) =>
      coverProblems(scenarios[number], states).map((problem) => `scenario ${number}: ${problem}`),
    ),
  ];
}

function coverProblems(cover: Scenarios[string] | undefined, states: TestStates): readonly string[] {
  if (cover === undefined) return ['is not listed'];
  if ('exempt' in cover) return cover.exempt === '' ? ['is exempt without a reason'] : [];
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
