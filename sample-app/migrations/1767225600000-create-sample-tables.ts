import type { MigrationInterface, QueryRunner } from 'typeorm';

const TIMESTAMPS = `
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz`;

export class CreateSampleTables1767225600000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE tasks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id text NOT NULL,
    title text NOT NULL,
    priority integer,
    estimate numeric(10, 2),
    big_count bigint,
    labels text[],
    metadata jsonb,
    due_at timestamptz,
    cover bytea,${TIMESTAMPS}
)`);
    await runner.query('CREATE INDEX tasks_user_id ON tasks (user_id)');

    await runner.query(`CREATE TABLE task_shares (
    task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
    shared_with_user_id text NOT NULL,
    can_edit boolean NOT NULL DEFAULT false,
    PRIMARY KEY (task_id, shared_with_user_id)
)`);
    await runner.query('CREATE INDEX task_shares_shared_with_user_id ON task_shares (shared_with_user_id)');

    await runner.query(`CREATE TABLE comments (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
    body text NOT NULL,${TIMESTAMPS}
)`);
    await runner.query('CREATE INDEX comments_task_id ON comments (task_id)');

    await runner.query(`CREATE TABLE categories (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,${TIMESTAMPS}
)`);

    await runner.query(`CREATE TABLE tags (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id text,
    name text NOT NULL,${TIMESTAMPS}
)`);
    await runner.query('CREATE INDEX tags_user_id ON tags (user_id)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE tags, categories, comments, task_shares, tasks');
  }
}
