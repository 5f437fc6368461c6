import type { Mutation } from './mutation.js';

/** One breach each of what lets others be served while one user's large request is worked on. */
export const LOAD: readonly Mutation[] = [
  {
    name: 'large-bodies-are-read-without-a-break',
    file: 'lib/common/pieces.ts',
    find: 'if (turns.isOver) await turns.next();',
    replace: '',
    tests: [{ file: 'test/http/bodies/pieces.test.ts', name: 'is read while others have their turns' }],
    why: 'W-LOAD-1: a body of a million numbers would keep everybody waiting for it.',
  },
  {
    name: 'escapes-are-looked-through-without-a-break',
    file: 'lib/common/json/json-scan.ts',
    find: 'if (count % ESCAPES === 0) yield;',
    replace: '',
    tests: [{ file: 'test/http/bodies/pieces.test.ts', name: 'may be one string of escapes' }],
    why: 'W-LOAD-1: 7 million escaped quotes in one text would keep everybody waiting.',
  },
  {
    name: 'long-strings-are-copied',
    file: 'lib/common/json/json-parts.ts',
    find: 'if (at - open > LONG && (yield* isValueAsItStands(text, open, at))) {',
    replace: 'if (at - open < 0) {',
    tests: [{ file: 'test/common/json-parts.test.ts', name: 'leaves a longer string where it is' }],
    why: 'W-LOAD-34: the parser would copy megabytes twice in one stretch.',
  },
  {
    name: 'memory-of-bodies-is-given-back-twice',
    file: 'lib/http/bodies/pending-body.ts',
    find: "body.refuse(new BadRequestException('request body broke off'))",
    replace: 'limits.memory.release(body)',
    tests: [{ file: 'test/http/bodies/incoming-body.test.ts', name: 'gives its memory back once' }],
    why: 'W-LOAD-37: limits.bodyMemory would bound nothing any more.',
  },
];
