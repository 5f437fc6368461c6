/** The host's tables, as its own migrations would make them. Rows of `tasks` have about 180 bytes. */
export const TABLES = `
CREATE TABLE tasks (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id text NOT NULL,
  title text NOT NULL,
  body text NOT NULL,
  done boolean NOT NULL DEFAULT false,
  priority integer,
  amount numeric(12, 2),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);
CREATE INDEX tasks_user_id ON tasks (user_id);

CREATE TABLE task_members (
  task_id uuid,
  user_id text,
  role text NOT NULL,
  PRIMARY KEY (task_id, user_id)
);
CREATE INDEX task_members_user_id ON task_members (user_id);

CREATE TABLE collaborators (
  owner_id text,
  user_id text,
  role text NOT NULL,
  PRIMARY KEY (owner_id, user_id)
);
CREATE INDEX collaborators_user_id ON collaborators (user_id);

CREATE TABLE comments (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  task_id uuid NOT NULL REFERENCES tasks,
  body text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);
CREATE INDEX comments_task_id ON comments (task_id);

CREATE TABLE documents (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id text NOT NULL,
  title text NOT NULL,
  priority integer,
  amount numeric,
  metadata jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);

CREATE FUNCTION add_tasks(first integer, last integer, users integer) RETURNS void LANGUAGE sql AS $$
  INSERT INTO tasks (user_id, title, body, priority, amount)
  SELECT 'user' || n % users, 'Task number ' || n, 'What there is to say about the task with the number ' || n, n % 5, n * 0.25
    FROM generate_series(first, last) AS n
$$;

-- In transactions of so many rows each.
CREATE PROCEDURE write_tasks(first integer, last integer, users integer, per_transaction integer) LANGUAGE plpgsql AS $$
BEGIN
  FOR n IN first .. last BY per_transaction LOOP
    PERFORM add_tasks(n, least(n + per_transaction - 1, last), users);
    COMMIT;
  END LOOP;
END $$;

-- An update of each task, which leaves it in its bucket.
CREATE PROCEDURE update_tasks(per_transaction integer) LANGUAGE plpgsql AS $$
DECLARE ids uuid[];
BEGIN
  FOR ids IN
    SELECT array_agg(id) FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) - 1 AS n FROM tasks) AS t
     GROUP BY n / per_transaction ORDER BY n / per_transaction
  LOOP
    UPDATE tasks SET done = NOT done, amount = amount + 1, updated_at = clock_timestamp() WHERE id = ANY(ids);
    COMMIT;
  END LOOP;
END $$`;
