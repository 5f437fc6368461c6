import type { Mutation } from './mutation.js';

const TRANSIENT = 'test/database/transient-errors.test.ts';
const CONTRACT = 'test/http/contract.test.ts';
const ROUTES = 'test/http/bodies/body-routes.test.ts';
const HONEST = 'test/http/limits/honest-requests.test.ts';

/** What a request may be, and what it is answered. */
export const HTTP: readonly Mutation[] = [
  {
    name: 'causes-of-errors-are-not-looked-at',
    file: 'lib/database/database-error.ts',
    find: 'open.push(driverError, cause,',
    replace: 'open.push(driverError,',
    also: [
      {
        file: 'lib/database/database-error.ts',
        find: 'const { driverError, cause, errors }',
        replace: 'const { driverError, errors }',
      },
    ],
    tests: [{ file: TRANSIENT, name: 'has the code 08006, however it is wrapped' }],
    why: 'W-HTTP-2: a lost connection would be a 500, which devices do not try again.',
  },
  {
    name: 'shutdowns-are-a-fault-of-the-server',
    file: 'lib/database/database-error.ts',
    find: '/^(08|53|57)|',
    replace: '/^(08|53)|',
    tests: [{ file: TRANSIENT, name: 'has the code 57' }],
    why: 'W-HTTP-4: a restart of the database would be a 500, which devices do not try again.',
  },
  {
    name: 'unknown-devices-are-a-server-error',
    file: 'lib/http/sync-exception.filter.ts',
    find: '  client_not_registered: 404,\n',
    replace: '',
    tests: [{ file: CONTRACT, name: 'Express errors/404-client.json' }],
    why: 'W-HTTP-3: a device that was forgotten would never register again.',
  },
  {
    name: 'malformed-versions-are-old',
    file: 'lib/engine/request/version-gate.ts',
    find: 'return semver.parse(numbers, { loose: true });',
    replace: 'return semver.coerce(numbers);',
    tests: [{ file: 'test/http/guards/version-gate.test.ts', name: 'refuses 1.2, and not for being old' }],
    why: 'W-HTTP-6: an app would be told to upgrade that is new.',
  },
  {
    name: 'schema-is-told-to-anybody',
    file: 'lib/http/user.interceptor.ts',
    find: '    const { userId: ownRule } = this.options;\n',
    replace:
      "    if (request.method === 'GET') return next.handle();\n    const { userId: ownRule } = this.options;\n",
    tests: [{ file: CONTRACT, name: 'Express errors/401-nobody.json' }],
    why: 'W-SCH-9: whoever asks would know the tables and their columns.',
  },
  {
    name: 'ids-of-devices-have-any-length',
    file: 'lib/http/is-text.ts',
    find: 'return isText(value) && value.length <= MAX_ID_LENGTH;',
    replace: 'return isText(value) && value.length <= 1000 * MAX_ID_LENGTH;',
    tests: [
      {
        file: 'test/http/limits/limits.test.ts',
        name: 'on Express a client has an id of 1 to 255 characters',
      },
    ],
    why: 'W-CLI-2: an index would refuse it, as a 500.',
  },
  {
    name: 'devices-need-no-id',
    file: 'lib/http/requests.ts',
    find: "if (!body.client_id) throw new SynchroError('bad_request', 'client_id is required');",
    replace: '',
    tests: [
      {
        file: 'test/http/limits/limits.test.ts',
        name: 'on Express a client has an id of 1 to 255 characters',
      },
    ],
    why: 'W-CLI-2: all devices without an id would be one, each with the other’s checkpoint.',
  },
  {
    name: 'names-keep-devices-out',
    file: 'lib/engine/rows/ascii-names.ts',
    find: 'if (!isUnstorable(error)) throw error;',
    replace: 'if (isUnstorable(error)) throw error;',
    tests: [
      { file: 'test/database/encodings.test.ts', name: 'an emoji in a device’s name does not keep it out' },
    ],
    why: 'W-HOST-10: who calls a phone by an emoji could not sync.',
  },
  {
    name: 'routes-are-told-by-how-they-end',
    file: 'lib/http/bodies/express-bodies.ts',
    find: 'if (!ours.some((layer) => layer.match(path))) return false;',
    replace: "if (path !== '') return /sync\\/(register|pull|push|snapshot)$/.test(path);",
    tests: [{ file: ROUTES, name: "on Express the host's route admin/sync/push keeps its body" }],
    why: 'W-LOAD-8: a route of the host would be given an empty body.',
  },
  {
    name: 'earlier-routes-lose-their-bodies',
    file: 'lib/http/bodies/express-bodies.ts',
    find: 'return { ours, earlier: stack.slice(0, Math.max(first, 0)).filter((layer) => answered.has(layer)) };',
    replace:
      'return { ours, earlier: stack.slice(0, 0).filter((layer) => answered.has(layer) && first > 0) };',
    tests: [{ file: ROUTES, name: "on Express a host's route at the place of one of ours keeps its body" }],
    why: 'W-LOAD-8: a host that replaces a route of ours would get no body.',
  },
  {
    name: 'values-of-honest-pushes-are-too-many',
    file: 'lib/settings/synchro.settings.ts',
    find: 'bodyValues = 1_000_000,',
    replace: 'bodyValues = 10_000,',
    tests: [
      {
        file: HONEST,
        name: 'on Express, an honest device is not refused [W-LOAD-9] with 1,000 rows of all columns',
      },
    ],
    why: 'W-LOAD-9: a device with a week of edits would never get them through.',
  },
  {
    name: 'buckets-of-honest-pulls-are-too-many',
    file: 'lib/settings/synchro.settings.ts',
    find: 'listEntries = 100_000,',
    replace: 'listEntries = 10_000,',
    tests: [
      {
        file: HONEST,
        name: 'on Express, an honest device is not refused [W-LOAD-9] that knows 20,000 buckets',
      },
    ],
    why: 'W-LOAD-9: a device of many teams could never pull.',
  },
];
