import { createdUnder } from '../records/edit.js';
import { keyOf, type Entry, type Meta, type Refused } from '../records/record.js';
import { judge, refusal, type Judged, type Verdict } from '../records/verdict.js';
import type { EntryWrite, RefusedWrite, RowWrite } from '../store/store.js';
import { HttpError } from '../wire/http.js';
import type { PushAnswer, PushResult } from '../wire/messages.js';
import { retryAfter } from '../timing/backoff.js';
import { BATCH, nextBatch, parentKey, pushChange } from './batch.js';
import type { Connection } from './connection.js';
import type { KnownState, Outcome, Replica } from './replica.js';
import type { KeyedVerdict } from './waiters.js';

/** The consequences of verdicts beside their writes. */
export interface PushOutcome {
  readonly refused: readonly Refused[];
  readonly applied: readonly { readonly key: string; readonly updatedAt: string }[];
}

/** Sends pending edits and applies the verdicts. One record that the server can't take never holds up another. */
export class Pushing {
  /** The position of the last push in the server's WAL; opaque. */
  lastCommit: string | undefined;
  private limit = BATCH;
  /** Records that wait, by key; in memory alone, as a restart is a good reason to try again, and clocks jump. */
  private readonly waiting = new Map<string, { readonly until: number; readonly failures: number }>();

  constructor(
    private readonly replica: Replica,
    private readonly connection: Connection,
    private readonly onOutcome: (outcome: PushOutcome) => void,
  ) {}

  /**
   * Pushes until nothing is due.
   * @returns milliseconds until a record that waits is due; undefined when none waits
   */
  async push(): Promise<number | undefined> {
    for (;;) {
      if (this.replica.meta.pending === 0) this.waiting.clear();
      if (this.replica.meta.pending === 0) return undefined;
      await this.connection.ensure();
      const batch = await this.takeBatch();
      if (batch.length === 0) return this.untilDue();
      await this.send(batch);
    }
  }

  /** Lets the next push try again the records that wait. */
  forgetWaits(): void {
    for (const [key, { failures }] of this.waiting) this.waiting.set(key, { until: 0, failures });
  }

  /** Marks a create before it may reach the server: from then on its delete has to be pushed, too. */
  private async takeBatch(): Promise<readonly Entry[]> {
    const now = performance.now();
    const isWaiting = (key: string): boolean => (this.waiting.get(key)?.until ?? 0) > now;
    return this.replica.transactAsLeader({ entries: 'all' }, ({ entries }): Outcome<readonly Entry[]> => {
      const batch = nextBatch([...entries.values()], this.replica.tables, isWaiting, this.limit);
      const marked = batch.map((entry) => ({ ...entry, sent: true }));
      const news = marked.filter(({ operation }, index) => operation === 'create' && !batch[index]?.sent);
      return {
        ...(news.length > 0 && { writes: { entries: news.map(entryWrite) } }),
        result: marked,
      };
    });
  }

  private async send(batch: readonly Entry[]): Promise<void> {
    const changes = batch.flatMap((entry) => {
      const table = this.replica.tables.get(entry.table);
      return table ? [pushChange(table, entry)] : [];
    });
    const since = seenStamp(this.replica.meta);
    let answer: PushAnswer;
    try {
      answer = await this.connection.post<PushAnswer>('push', { changes });
    } catch (error) {
      if (!(error instanceof HttpError) || !SPLITTABLE.has(error.status)) throw error;
      await this.narrow(batch, error);
      return;
    }
    this.limit = Math.min(BATCH, this.limit * 2);
    this.lastCommit = answer.commit ?? this.lastCommit;
    await this.apply(batch, [...answer.accepted, ...answer.rejected], since);
  }

  /** Halves a push that the server can't take as a whole, until one record is left, which waits or is refused alone. */
  private async narrow(batch: readonly Entry[], error: HttpError): Promise<void> {
    const [entry] = batch;
    if (batch.length > 1 || !entry) {
      this.limit = Math.max(1, Math.floor(batch.length / 2));
      if (error.status >= 500) throw error;
      return;
    }
    if (error.status >= 500) {
      this.wait(keyOf(entry));
      throw error;
    }
    const { table: table_name, id, operation } = entry;
    const reason_code = error.status === 413 ? 'too_large' : 'bad_request';
    const status = 'rejected_terminal';
    const result = { table_name, id, operation, status, reason_code, message: error.message } as const;
    await this.apply(batch, [result], 0);
  }

  /** @param since {@link seenStamp} when the push was sent */
  private async apply(batch: readonly Entry[], results: readonly PushResult[], since: number): Promise<void> {
    const verdicts = new Map(
      results.map((result) => [keyOf({ table: result.table_name, id: result.id }), result]),
    );
    const outcome = await this.replica.transactAsLeader({ entries: 'all' }, (state) =>
      this.judgeAll(batch, verdicts, state, since),
    );
    for (const entry of batch) {
      const key = keyOf(entry);
      const status = verdicts.get(key)?.status;
      if (status === undefined || status === 'rejected_retryable') this.wait(key);
      else this.waiting.delete(key);
    }
    this.onOutcome(outcome);
  }

  private judgeAll(
    batch: readonly Entry[],
    results: ReadonlyMap<string, PushResult>,
    state: KnownState,
    since: number,
  ): Outcome<PushOutcome> {
    const rows: RowWrite[] = [];
    const entries = new Map<string, EntryWrite>();
    const refused: Refused[] = [];
    const verdicts: KeyedVerdict[] = [];
    const applied: { key: string; updatedAt: string }[] = [];
    const put = (sent: Entry, now: Entry, judged: Judged): void => {
      const { table, id, generation } = sent;
      // A refusal does not say whether the row still exists; an older answer than a snapshot, whether it did then.
      const isNews = judged.verdict.status !== 'rejected';
      const stamp = isNews && (now.server === undefined || now.stamp < since) ? since : now.stamp;
      const entry = judged.entry && { ...judged.entry, stamp };
      const isPast = stamp < state.meta.stamp && state.meta.snapshot === null;
      rows.push({ table, id, row: isPast && !entry ? null : judged.row, stamp });
      entries.set(keyOf(sent), { table, id, entry });
      verdicts.push({ table, id, generation, verdict: judged.verdict });
      // Newer edits have left nothing to push: the record is as it was sent, or a delete of theirs has nothing to delete.
      if (!judged.entry && now.generation > generation) {
        const verdict: Verdict = now.operation === 'delete' ? { status: 'applied' } : judged.verdict;
        verdicts.push({ table, id, generation: now.generation, verdict });
      }
      if (judged.refused) refused.push(judged.refused);
    };
    for (const sent of batch) {
      const key = keyOf(sent);
      const [table, now, result] = [
        this.replica.tables.get(sent.table),
        state.entries.get(key),
        results.get(key),
      ];
      if (!table || !now || !result || entries.has(key)) continue;
      // The parent was refused, and has been edited since: both are pushed again.
      const parent = entries.get(parentKey(sent, this.replica.tables) ?? '');
      if (result.reason_code === 'parent_missing' && parent?.entry) continue;
      const judged = judge(table, now, sent, result);
      if (!judged) continue;
      put(sent, now, judged);
      const updatedAt = judged.row?.[table.updatedAt];
      if (typeof updatedAt === 'string') applied.push({ key, updatedAt });
      if (!judged.refused || judged.row || sent.operation !== 'create') continue;
      // The children of a refused create have no parent.
      for (const child of createdUnder(sent, state.entries.values(), this.replica.tables)) {
        if (entries.has(keyOf(child))) continue;
        const verdict = { status: 'rejected', reason: 'parent_rejected' } as const;
        put(child, child, {
          verdict,
          row: null,
          entry: null,
          refused: refusal(child, verdict, null, judged.refused.key),
        });
      }
    }
    const kept: readonly RefusedWrite[] = refused.map((item) => ({ key: item.key, refused: item }));
    return {
      writes: { rows, entries: [...entries.values()], refused: kept },
      verdicts,
      result: { refused, applied },
    };
  }

  private wait(key: string): void {
    const failures = this.waiting.get(key)?.failures ?? 0;
    const { delay } = retryAfter(undefined, failures, Math.random());
    this.waiting.set(key, { until: performance.now() + delay, failures: failures + 1 });
  }

  private untilDue(): number | undefined {
    const times = [...this.waiting.values()].map(({ until }) => until);
    return times.length === 0 ? undefined : Math.max(0, Math.min(...times) - performance.now());
  }
}

/** The statuses for which a half may pass; all others concern the whole server, network or user. */
const SPLITTABLE: ReadonlySet<number> = new Set([400, 413, 500]);

/** The stamp of the last snapshot that has brought a page: what is sent from now on may be later than its rows. */
function seenStamp({ stamp, snapshot }: Meta): number {
  return snapshot?.cursor === null ? stamp - 1 : stamp;
}

function entryWrite(entry: Entry): EntryWrite {
  return { table: entry.table, id: entry.id, entry };
}
