import { type Rows, StatementBatch } from '../../../database/pipeline.js';
import { partition } from '../../../common/collections.js';
import { isTransient } from '../../../database/database-error.js';
import type { SyncRegistry } from '../../../registry/sync-registry.js';
import type { RoleSwitch } from '../../../database/role-switch.js';
import type { FailureBudget } from '../failures/failure-budget.js';
import type { Write } from './judge.js';
import { isKeyViolation } from '../sql/key-violation.js';
import { KeyReplacedError } from './key-replaced.error.js';
import type { PushContext, StoredRow } from '../push-change.js';
import { BucketCheck } from '../sql/readable-buckets.js';
import { recordKey } from '../values/record-id.js';
import { groupStatement } from '../sql/group-statement.js';
import { ServerStateError } from '../failures/server-state.error.js';
import { endsTransaction, sqlState } from '../sql/sqlstate.js';
import { isWriteGroup, type WriteGroup } from './write-groups.js';
import type { WriteForm } from '../sql/group-values.js';

/** The outcome of one write. */
export type Outcome =
  | Written
  /** The statement passed it over: the key is taken, or a policy, a trigger or a rule kept it from being written. */
  | Skipped
  /** For sure, its key is taken. */
  | { readonly kind: 'taken'; readonly write: Write }
  | { readonly kind: 'failed'; readonly write: Write; readonly error: unknown }
  /** It would have put the row into a bucket that its user doesn't read (see {@link BucketCheck}). */
  | Unreadable
  /** Too many of the writes that came with it have failed. */
  | { readonly kind: 'postponed'; readonly write: Write };

export interface Written {
  readonly kind: 'written';
  readonly write: Write;
  readonly row: StoredRow;
}

interface Unreadable {
  readonly kind: 'unreadable';
  readonly write: Write;
}

interface Skipped {
  readonly kind: 'skipped';
  readonly write: Write;
}

/** Writes each group with one statement, in a savepoint. */
export class GroupWriter {
  /** Kinds of writes that the server takes, though records in them fail. */
  private readonly writable = new Set<string>();

  constructor(
    private readonly roles: RoleSwitch,
    private readonly registry: SyncRegistry,
    private readonly context: PushContext,
    private readonly budget: FailureBudget,
  ) {}

  /**
   * A group that fails in SQL is split until the bad record stands alone: the others are written, in the order in which
   * they came.
   *
   * @throws what is no record's fault: the whole transaction is to be tried again
   */
  async write(group: WriteGroup, form: WriteForm = 'usual'): Promise<readonly Outcome[]> {
    const checksFirst = this.context.isRerun === true;
    try {
      const { outcomes, isOpen } = await this.attempt([group], {
        form,
        constraints: 'IMMEDIATE',
        checksFirst,
      });
      const [refused, others] = partition(outcomes, ({ kind }) => kind === 'unreadable');
      if (isOpen) await this.roles.command(refused.length > 0 ? ROLLBACK : RELEASE.sql, 'own');
      if (refused.length === 0) {
        this.budget.succeed();
        return outcomes;
      }
      const [first, ...rest] = others.map(({ write }) => write);
      return [...refused, ...(first ? await this.write([first, ...rest], form) : [])];
    } catch (error) {
      await this.undo(error);
      await this.expectWritable(group, form, error);
      if (form === 'usual' && REFUSED_FORMS.has(sqlState(error) ?? '')) return this.write(group, 'plain');
      return this.split(group, form, error);
    }
  }

  /**
   * Writes groups as one transaction would, where constraints that are deferrable hold at the end only (interleavings 18).
   * @returns null when they can't be written together
   */
  async writeTogether(groups: readonly WriteGroup[]): Promise<readonly Written[] | null> {
    try {
      const { outcomes } = await this.attempt(groups, {
        form: 'usual',
        constraints: 'DEFERRED',
        checksFirst: true,
      });
      const written = outcomes.filter((outcome) => outcome.kind === 'written');
      const isDone = written.length === outcomes.length;
      await this.roles.command(isDone ? RELEASE.sql : ROLLBACK, 'own');
      return isDone ? written : null;
    } catch (error) {
      await this.undo(error);
      return null;
    }
  }

  /**
   * Tells a record's fault from the server's: a trigger may raise for its row what the server says under load, to
   * everybody. So the same statement is tried without any record.
   *
   * @throws ServerStateError when it fails like this, too
   */
  private async expectWritable(group: WriteGroup, form: WriteForm, error: unknown): Promise<void> {
    const [{ item, kind }] = group;
    const { name } = item.table.table;
    const what = `${kind} ${name}`;
    if (!mayBeOfTable(error) || this.writable.has(what)) return;
    const { registry, context, roles } = this;
    const blank = groupStatement(registry, context.userId, { group, form, records: [] });
    const begin = { sql: `SAVEPOINT ${SAVEPOINT}` };
    try {
      await roles.together(StatementBatch.silent([begin, blank, RELEASE]), 'own');
    } catch (second) {
      if (mayBeOfTable(second)) throw new ServerStateError(second, name);
      await this.undo(second);
    }
    this.writable.add(what);
  }

  private async split(group: WriteGroup, form: WriteForm, error: unknown): Promise<readonly Outcome[]> {
    const [write] = group;
    if (group.length === 1) {
      this.budget.find();
      const isTaken = write.kind === 'insert' && (await isKeyViolation(this.roles.sync, write, error));
      return [isTaken ? { kind: 'taken', write } : { kind: 'failed', write, error }];
    }
    if (this.budget.splitsNoMore) return group.map((write) => ({ kind: 'postponed', write }));
    const outcomes: Outcome[] = [];
    for (const part of parts(group, this.budget.isMostlyBad ? 1 : Math.ceil(group.length / 2)))
      outcomes.push(...(await this.write(part, form)));
    return outcomes;
  }

  /** `checksFirst`: the savepoint stays open, so that the rows can be checked before it is released. */
  private async attempt(
    groups: readonly WriteGroup[],
    { form, constraints, checksFirst }: AttemptOptions,
  ): Promise<Attempt> {
    const { roles, registry, context } = this;
    const check = new BucketCheck(registry, context, groups);
    const statements = check.statements;
    const isOpen = checksFirst || statements.length > 0;
    const { before, rows, after } = await roles.together(
      StatementBatch.together<AttemptRows>({
        begun: StatementBatch.silent([
          { sql: `SAVEPOINT ${SAVEPOINT}` },
          // A deferred constraint would fail at COMMIT, after the verdicts (interleavings 18).
          { sql: `SET CONSTRAINTS ALL ${constraints}` },
        ]),
        before: StatementBatch.each(statements),
        rows: StatementBatch.each(
          groups.map((group) => groupStatement(registry, context.userId, { group, form, records: group })),
        ),
        checked: StatementBatch.silent(constraints === 'DEFERRED' ? [CHECK_NOW] : []),
        after: StatementBatch.each(statements),
        released: StatementBatch.silent(isOpen ? [] : [RELEASE]),
      }),
      isOpen ? 'push' : 'own',
    );
    const refused = check.refused(before, after);
    const outcomes = groups.flatMap((group, index) => matched(group, rows[index] as readonly StoredRow[]));
    // A row that was not written is another's perhaps, and its buckets would tell that it is there.
    const isUnreadable = ({ kind, write }: Outcome): boolean => kind === 'written' && refused.has(write);
    return {
      isOpen,
      outcomes: outcomes.map((each) =>
        isUnreadable(each) ? { kind: 'unreadable', write: each.write } : each,
      ),
    };
  }

  private async undo(error: unknown): Promise<void> {
    if (endsTransaction(error, this.context.isRerun === true)) throw error;
    this.budget.spend();
    try {
      await this.roles.command(ROLLBACK);
    } catch {
      // The connection went with what failed, which says more.
      throw error;
    }
  }
}

interface Attempt {
  readonly outcomes: readonly (Written | Skipped | Unreadable)[];
  /** The savepoint is still there. */
  readonly isOpen: boolean;
}

/** The rows of each statement of an attempt, by the place that it has there. */
interface AttemptRows {
  readonly begun: void;
  readonly before: readonly Rows[];
  readonly rows: readonly Rows[];
  readonly checked: void;
  readonly after: readonly Rows[];
  readonly released: void;
}

interface AttemptOptions {
  readonly form: WriteForm;
  readonly constraints: 'IMMEDIATE' | 'DEFERRED';
  readonly checksFirst: boolean;
}

const SAVEPOINT = 'synchro_push';
const CHECK_NOW = { sql: 'SET CONSTRAINTS ALL IMMEDIATE' };
const RELEASE = { sql: `RELEASE SAVEPOINT ${SAVEPOINT}` };
const ROLLBACK = `ROLLBACK TO SAVEPOINT ${SAVEPOINT}; ${RELEASE.sql}`;

/** Errors of the usual form where a table takes plain statements only: rules, or a key with a deferrable constraint. */
const REFUSED_FORMS: ReadonlySet<string> = new Set(['0A000', '55000', '42P10']);

/** @throws KeyReplacedError when a row is none of those that were asked for */
function matched(group: WriteGroup, rows: readonly StoredRow[]): readonly (Written | Skipped)[] {
  const byKey = new Map(rows.map((row) => [recordKey(group[0].item.table, row.id), row]));
  const outcomes = group.map((write) => {
    const row = byKey.get(write.item.key);
    return row ? ({ kind: 'written', write, row } as const) : ({ kind: 'skipped', write } as const);
  });
  if (outcomes.filter(({ kind }) => kind === 'written').length < rows.length) throw new KeyReplacedError();
  return outcomes;
}

function parts(group: WriteGroup, size: number): readonly WriteGroup[] {
  const starts = Array.from({ length: Math.ceil(group.length / size) }, (_, n) => n * size);
  return starts.map((start) => group.slice(start, start + size)).filter((part) => isWriteGroup(part));
}

/**
 * The server is unwell, or the table lacks something that its publication needs: a replica identity, or a column of
 * that.
 */
function mayBeOfTable(error: unknown): boolean {
  return isTransient(error) || ['55000', '42P10'].includes(sqlState(error) ?? '');
}
