import { createTableSql, owned, readOnly } from './schema-fixtures.js';

export const ALICE = 'aaaaaaaa-0000-4000-8000-000000000001';
export const BOB = 'bbbbbbbb-0000-4000-8000-000000000002';

const SERVER_OWNED = ['id', 'updated_at', 'deleted_at'];

/** Tasks with comments with reactions, and other tables that a push may meet. */
export const TABLES = [
  owned('tasks', {
    protectedColumns: new Set([...SERVER_OWNED, 'created_at', 'user_id', 'rank', 'version']),
    versionColumn: 'version',
    hiddenColumns: ['secret'],
  }),
  readOnly('comments', {
    pushPolicy: 'owner_only',
    parent: 'tasks',
    parentFkColumn: 'task_id',
    protectedColumns: new Set([...SERVER_OWNED, 'task_id']),
    depth: 1,
  }),
  readOnly('reactions', {
    pushPolicy: 'owner_only',
    parent: 'comments',
    parentFkColumn: 'comment_id',
    protectedColumns: new Set([...SERVER_OWNED, 'comment_id']),
    depth: 2,
  }),
  // A child with an owner of its own.
  owned('files', {
    parent: 'tasks',
    parentFkColumn: 'task_id',
    protectedColumns: new Set([...SERVER_OWNED, 'user_id', 'task_id']),
    depth: 1,
  }),
  owned('notes', {
    ownerColumn: 'owner_id',
    bucketByColumn: 'owner_id',
    protectedColumns: new Set([...SERVER_OWNED, 'owner_id']),
  }),
  owned('counters', { protectedColumns: new Set([...SERVER_OWNED, 'user_id']) }),
  // Its constraints are checked at COMMIT, and it refers to another table.
  owned('seats', { protectedColumns: new Set([...SERVER_OWNED, 'user_id']) }),
  readOnly('categories'),
];

export const DDL = [
  createTableSql(
    'tasks',
    `user_id uuid, title text NOT NULL CHECK (title <> 'forbidden'), notes text, rank integer NOT NULL DEFAULT 7,
     version integer NOT NULL DEFAULT 1, secret text DEFAULT 'hidden', code text NOT NULL DEFAULT md5(random()::text),
     shout text GENERATED ALWAYS AS (upper(title)) STORED, created_at timestamptz NOT NULL DEFAULT now(),
     UNIQUE (user_id, title)`,
  ),
  createTableSql('comments', `task_id uuid NOT NULL REFERENCES tasks, body text NOT NULL`),
  createTableSql('reactions', `comment_id uuid NOT NULL REFERENCES comments, emoji text NOT NULL`),
  createTableSql('files', `user_id uuid NOT NULL, task_id uuid REFERENCES tasks, name text`),
  `CREATE TABLE notes (id varchar(40) PRIMARY KEY, owner_id text, text text,
     updated_at timestamp(3) NOT NULL DEFAULT now(), deleted_at timestamp(3))`,
  `CREATE TABLE counters (id bigint PRIMARY KEY, user_id uuid, n bigint,
     updated_at timestamptz(0) NOT NULL DEFAULT now(), deleted_at timestamptz)`,
  createTableSql(
    'seats',
    `user_id uuid, place text, next_to uuid REFERENCES seats DEFERRABLE INITIALLY DEFERRED,
     CONSTRAINT seats_place UNIQUE (place) DEFERRABLE INITIALLY DEFERRED`,
  ),
  createTableSql('categories', 'name text'),
];
