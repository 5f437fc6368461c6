import type { WorldSettings } from './world.module.js';

type Row = Readonly<Record<string, unknown>>;

/**
 * What a host's schema may have besides: partitions, a generated column, a trigger that changes what is written, a
 * CHECK, a UNIQUE index, values that are stored out of line, references to other rows of the same table.
 */
export const ODD_SQL = `
ALTER TABLE comments RENAME TO former_comments;
CREATE TABLE comments (LIKE former_comments INCLUDING ALL,
  FOREIGN KEY (task_id) REFERENCES tasks ON UPDATE CASCADE ON DELETE CASCADE) PARTITION BY HASH (id);
DROP TABLE former_comments;
CREATE TABLE comments_0 PARTITION OF comments FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE comments_1 PARTITION OF comments FOR VALUES WITH (MODULUS 2, REMAINDER 1);

ALTER TABLE tasks ADD COLUMN letters integer GENERATED ALWAYS AS (length(title)) STORED;

ALTER TABLE projects ADD COLUMN touched integer NOT NULL DEFAULT 0;
CREATE FUNCTION count_touches() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
  NEW.touched := OLD.touched + 1;
  RETURN NEW;
END $$;
CREATE TRIGGER count_touches BEFORE UPDATE ON projects FOR EACH ROW EXECUTE FUNCTION count_touches();

ALTER TABLE boards ADD CHECK (rank % 10 <> 4);
CREATE UNIQUE INDEX ON notes (user_id, (rank % 50));

ALTER TABLE notes ADD COLUMN body text;
ALTER TABLE notes ALTER body SET STORAGE EXTERNAL, SET (toast_tuple_target = 128);
CREATE FUNCTION fill_body() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
  NEW.body := (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 20));
  RETURN NEW;
END $$;
CREATE TRIGGER fill_body BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION fill_body();

ALTER TABLE cards ADD COLUMN related_id uuid REFERENCES cards ON UPDATE CASCADE ON DELETE SET NULL
  DEFERRABLE INITIALLY DEFERRED;
CREATE FUNCTION relate_card() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
  NEW.related_id := (SELECT id FROM cards WHERE board_id = NEW.board_id ORDER BY id LIMIT 1);
  RETURN NEW;
END $$;
CREATE TRIGGER relate_card BEFORE INSERT ON cards FOR EACH ROW EXECUTE FUNCTION relate_card();
`;

/** A host that has set what there is to set. */
export const ODD_SETTINGS: Omit<WorldSettings, 'databaseUrl' | 'slotName' | 'publicationName'> = {
  preparedStatements: false,
  replication: { batchRows: 5, maxBatchRows: 10, maxSubscriptionRows: 5 },
  maxPageBytes: 2_000,
};

/** Milliseconds by which clocks of devices are wrong there, one after the other. */
export const ODD_SKEWS: readonly number[] = [0, -3_000, 3_600_000];

/** What the schema of the odd world refuses. */
export function oddRefuses(table: string, row: Row, others: readonly Row[]): boolean {
  if (table === 'boards') return placeOf(row) % 10 === 4;
  if (table !== 'notes' || row['rank'] == null) return false;
  return others.some(
    ({ user_id: user, rank }) =>
      user === row['user_id'] && rank !== null && placeOf({ rank }) === placeOf(row),
  );
}

function placeOf({ rank }: Row): number {
  return Number(rank) % 50;
}
