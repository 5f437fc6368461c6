import type { Mutation } from './mutation.js';

const SETTINGS_TEST = 'test/database/foreign-settings.test.ts';
const SLOT_TEST = 'test/replication/slot/slot-set-up.test.ts';
const POOLER_TEST = 'test/database/poolers.test.ts';

/** Other people's settings, search paths, slots and poolers. */
export const SETTINGS: readonly Mutation[] = [
  {
    name: 'transactions-are-limited',
    file: 'lib/database/session-settings.ts',
    find: `true) <> '0'`,
    replace: `true) = 'never'`,
    tests: [
      { file: SETTINGS_TEST, name: 'and a batch take, however short a transaction may take [W-HOST-12]' },
    ],
    why: 'W-HOST-12: a transaction_timeout of the database would end batches for ever.',
  },
  {
    name: 'transactions-of-the-consumer-are-limited',
    file: 'lib/replication/slot/consumer-connection.ts',
    find: 'await client.query(`SELECT ${unlimitedSql({ local: false })}`);',
    replace: 'await client.query(`SELECT ${unlimitedSql({ local: true })}`);',
    tests: [
      { file: SETTINGS_TEST, name: 'and a batch take, however short a transaction may take [W-HOST-12]' },
    ],
    why: 'W-HOST-12: the setting would end with the statement, and large transactions would fail for ever.',
  },
  {
    name: 'settings-outlive-the-transaction',
    file: 'lib/database/session-settings.ts',
    find: "`set_config('${name}', '${value}', true)`",
    replace: "`set_config('${name}', '${value}', false)`",
    tests: [{ file: SETTINGS_TEST, name: "leaves the host's settings to the host" }],
    why: 'W-HOST-13: the host’s next query on the connection would have other settings than the host’s.',
  },
  {
    name: 'begin-does-not-say-read-write',
    file: 'lib/database/session.ts',
    find: 'READ COMMITTED READ WRITE',
    replace: 'READ COMMITTED',
    tests: [{ file: SETTINGS_TEST, name: 'with odd transactions' }],
    why: 'W-HOST-11: default_transaction_read_only of the role would refuse every push.',
  },
  {
    name: 'array-nulls-are-the-roles',
    file: 'lib/database/session-settings.ts',
    find: "  array_nulls: 'on',\n",
    replace: '',
    tests: [{ file: SETTINGS_TEST, name: 'with odd parsing' }],
    why: 'W-HOST-11: a null in a parameter would become the text NULL.',
  },
  {
    name: 'any-slot-name-will-do',
    file: 'lib/replication/slot/replication-names.ts',
    find: '!SLOT_NAME.test(slotName)',
    replace: 'slotName.length > 1_000',
    tests: [{ file: SLOT_TEST, name: 'which no slot can have' }],
    why: 'W-HOST-15: the app would start, and its consumer would fail for ever.',
  },
  {
    name: 'a-slot-of-another-database-will-do',
    file: 'lib/replication/slot/slot-owner.ts',
    find: "plugin === 'pgoutput' && ours && !temporary",
    replace: "plugin === 'pgoutput' && !temporary",
    tests: [{ file: SLOT_TEST, name: 'belongs to another database of the server' }],
    why: 'W-HOST-16: the app would stand by for ever.',
  },
  {
    name: 'lost-plans-are-judged-by-what-others-found',
    file: 'lib/engine/request/request-transactions.ts',
    find: 'if (keptPlans && isLostPlan(error)) {',
    replace: 'if (this.keepsPlans && isLostPlan(error)) {',
    tests: [{ file: POOLER_TEST, name: 'is not noticed by 40 devices that come to a fresh app at once' }],
    why: 'W-HOST-18: requests under way when the first one finds out would be answered 500.',
  },
  {
    name: 'a-pooler-may-lose-the-consumers-settings',
    file: 'lib/replication/slot/pooler-problems.ts',
    find: 'rows[0]?.kept === false',
    replace: 'rows[0] === undefined',
    also: [
      {
        file: 'lib/replication/slot/pooler-problems.ts',
        find: 'if (code === SYNTAX_ERROR)',
        replace: 'if (code === null)',
      },
    ],
    tests: [{ file: POOLER_TEST, name: 'where it ignores what a session asks for' }],
    why: 'W-HOST-19: the consumer would loop on statements that other connections have.',
  },
  {
    name: 'the-search-path-names-the-sync-tables',
    file: 'lib/database/sync-schema.ts',
    find: '  const name = quoteIdentifier(schema);\n',
    replace:
      "  if (schema) return sql.replaceAll(/(?<!:):sync\\./g, '');\n  const name = quoteIdentifier(schema);\n",
    tests: [{ file: 'test/database/search-path.test.ts', name: 'on every pooled connection' }],
    why: 'W-HOST-20: a search path that the host left on a connection would be a 500.',
  },
];
