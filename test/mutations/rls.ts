import type { Mutation } from './mutation.js';

const SQL = 'test/store/rls-sql.test.ts';
const BY_BUCKET = 'test/store/rls-by-bucket.test.ts';
const SAMPLE = 'test/store/rls.test.ts';

/** The second wall: policies, roles and grants. */
export const RLS: readonly Mutation[] = [
  {
    name: 'policies-bind-the-owner-of-the-tables',
    file: 'lib/store/rls/rls.ts',
    find: "options.force === true ? 'FORCE' : 'NO FORCE'",
    replace: "options.force === false ? 'NO FORCE' : 'FORCE'",
    tests: [{ file: SQL, name: 'are about all roles, and not about the owner of the tables' }],
    why: 'W-OWN-4: the host’s own pages would be empty.',
  },
  {
    name: 'policies-can-be-made-once-only',
    file: 'lib/store/rls/rls.ts',
    find: '`${dropSql(kind, table)};\\nCREATE POLICY',
    replace: '`CREATE POLICY',
    tests: [{ file: SQL, name: 'are as in the catalogs after they have run twice' }],
    why: 'W-OWN-4: the second run of a migration would fail.',
  },
  {
    name: 'policies-of-former-options-stay',
    file: 'lib/store/rls/rls.ts',
    find: "const reader = without('write_ins', 'write_upd', 'write_del', 'lock');",
    replace: "const reader = without('lock');",
    tests: [{ file: SQL, name: 'and after the options have changed' }],
    why: 'W-OWN-4: a table that became read-only could still be written.',
  },
  {
    name: 'rows-may-be-given-away-under-policies',
    file: 'lib/store/rls/rls.ts',
    find: "`WITH CHECK (${table.writeFunction === null ? owned : 'true'})`",
    replace: "'WITH CHECK (true)'",
    tests: [{ file: SQL, name: 'let a row be written by its owner alone, and stay with that one' }],
    why: 'W-OWN-4: the second wall would let rows through to other users.',
  },
  {
    name: 'children-may-stand-under-anybodys-parent',
    file: 'lib/store/rls/rls.ts',
    find: '(${fk} IS NULL OR ${parentOwnedSql(registry, table, fk, USER)})',
    replace: '(${fk} IS NULL OR ${fk} IS NOT NULL)',
    tests: [
      { file: SQL, name: "let a child with an owner of its own stand under the user's parent or none" },
    ],
    why: 'W-REG-3: a row of one user would follow the rows of another.',
  },
  {
    name: 'children-with-an-owner-belong-to-the-parent',
    file: 'lib/engine/push/sql/write-sql.ts',
    find: 'return hasOwnWriteRule(table) ? `(${value} IS NULL OR ${owned})` : owned;',
    replace: 'return hasOwnWriteRule(table) ? `(${value} IS NULL OR ${value} IS NOT NULL)` : owned;',
    also: [
      {
        file: 'lib/engine/push/writing/change-processing.ts',
        find: 'table.parent === null || this.state.rows.hasParent(item)) return false;',
        replace:
          'table.parent === null || table.ownerColumn !== null || this.state.rows.hasParent(item)) return false;',
      },
    ],
    tests: [
      {
        file: 'test/push/push-ownership.test.ts',
        name: "superuser a child with an owner column of its own is created under an own parent or none, not under another user's",
      },
    ],
    why: 'W-REG-3: a device could hang its rows under another user’s row.',
  },
  {
    name: 'lock-lets-parents-be-changed',
    file: 'lib/store/rls/rls.ts',
    find: "policy('lock', `USING (${owned})`, 'WITH CHECK (false)')",
    replace: "policy('lock', `USING (${owned})`, `WITH CHECK (${owned})`)",
    tests: [{ file: SQL, name: 'be locked by its owner, and not be changed' }],
    why: 'A table that devices may not write could be written under the policies.',
  },
  {
    name: 'rows-are-everyones-whose-rule-is-not-repeated',
    file: 'lib/store/rls/rls.ts',
    find: "'true' : (byBucket[0] ?? 'false')",
    replace: "'true' : (byBucket[0] ?? 'true')",
    tests: [{ file: BY_BUCKET, name: 'without reading by bucket' }],
    why: 'W-LOAD-14: without readByBucket everybody would read a team’s rows.',
  },
  {
    name: 'users-stay-on-the-connection',
    file: 'lib/database/session.ts',
    find: "set_config('${USER_SETTING}', ${user}, true)",
    replace: "set_config('${USER_SETTING}', ${user}, false)",
    tests: [{ file: SAMPLE, name: "leaves no user and no role behind on the pool's connections" }],
    why: 'The host’s next query on the connection would run as the device’s user.',
  },
  {
    name: 'roles-stay-on-the-connection',
    file: 'lib/engine/push/push-opening.ts',
    find: `set_config('role', $3, true)`,
    replace: `set_config('role', $3, false)`,
    tests: [{ file: SAMPLE, name: "leaves no user and no role behind on the pool's connections" }],
    why: 'Interleavings 21: the host’s next query on the connection would run in the role of pushes.',
  },
];
