import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { isDataError } from '../../database/database-error.js';
import { describeError } from '../../common/describe-error.js';
import { parsePgArray, writePgArray } from '../../database/pg-array-literal.js';
import { SyncLogger } from '../../common/sync-logger.js';
import type { ContractTable } from '../../schema/schema-contract.js';
import { pipelined, type SqlStatement } from '../../database/pipeline.js';
import { SYNCHRO_OPTIONS } from '../../settings/synchro.options.js';
import type { SynchroSettings } from '../../settings/synchro.settings.js';
import type { Redelivery } from './redelivery.js';
import { type HydrateOptions, Hydrator, type RecordList } from './hydrator.js';

/** So many rows of an answer are named in the log. */
const MOST_NAMED = 10;
/** A row is named again after this time; so many rows are remembered for that. */
const NAMED_AGAIN_MS = 3_600_000;
const MOST_REMEMBERED = 1_000;

/** A list with the seqs of its records, if they are of the log. */
interface SeqList extends RecordList {
  readonly seqs?: string;
}

interface ReadableLists<List> {
  readonly lists: readonly List[];
  readonly redeliveries: readonly Redelivery[];
}

/**
 * Finds the rows that raise an error when they are read, and leaves them out of an answer: a generated column divides
 * by zero, a policy casts a text that is no number. Runs only after an answer has failed: halving takes a statement
 * for each half.
 */
@Injectable()
export class UnreadableRows {
  /** When a row was named last, by its table and id. */
  private readonly named = new Map<string, number>();
  private readonly logger: SyncLogger;

  constructor(
    private readonly hydrator: Hydrator,
    @Inject(SYNCHRO_OPTIONS) { logger }: Pick<SynchroSettings, 'logger'>,
  ) {
    this.logger = new SyncLogger(logger, 'SynchroPull');
  }

  /** @returns the lists without these rows, and the redeliveries that bring them later */
  async leaveOut<List extends SeqList>(
    manager: EntityManager,
    lists: readonly List[],
    options: HydrateOptions,
  ): Promise<ReadableLists<List>> {
    const readable: List[] = [];
    const redeliveries: Redelivery[] = [];
    for (const list of lists) {
      const ids = elements(list.ids).map((id) => id ?? '');
      const places = ids.map((_, place) => place);
      const failed = await failures(manager, places, (some) =>
        this.hydrator.statements(manager, [withPlaces(list, some)], options),
      );
      if (failed.size === 0) {
        readable.push(list);
        continue;
      }
      readable.push(
        withPlaces(
          list,
          places.filter((place) => !failed.has(place)),
        ),
      );
      const { name: table } = list.table.table;
      const recordIds = [...failed.keys()].map((place) => ids[place] ?? '');
      redeliveries.push({ kind: 'redeliver', table, recordIds, forceNewerTimestamp: true, later: true });
      this.log(table, new Map([...failed].map(([place, error]) => [ids[place] ?? '', error])));
    }
    return { lists: readable, redeliveries };
  }

  /** {@link Hydrator.findLive}: of a row that can't be read it is not known whether it is back. */
  async findLive(
    manager: EntityManager,
    table: ContractTable,
    ids: readonly string[],
    buckets: readonly string[],
  ): Promise<ReadonlySet<string>> {
    const failed = await failures(manager, ids, (some) => [this.hydrator.liveSql(table, some, buckets)]);
    this.log(table.table.name, failed);
    const readable = ids.filter((id) => !failed.has(id));
    return this.hydrator.findLive(manager, table, readable, buckets);
  }

  private log(table: string, failed: ReadonlyMap<string, unknown>): void {
    const now = performance.now();
    const news = [...failed].filter(([id]) => {
      const last = this.named.get(`${table}/${id}`);
      return last === undefined || now - last > NAMED_AGAIN_MS;
    });
    for (const [record, error] of news.slice(0, MOST_NAMED)) {
      this.named.delete(`${table}/${record}`);
      this.named.set(`${table}/${record}`, now);
      this.logger.error('a row cannot be read: devices are answered without it, and get it once it can be', {
        table,
        record,
        error: describeError(error),
      });
    }
    for (const [oldest] of this.named) {
      if (this.named.size <= MOST_REMEMBERED) break;
      this.named.delete(oldest);
    }
  }
}

/** Finds the items for which a read fails for its data, by halves, and what it failed of. */
async function failures<Item>(
  manager: EntityManager,
  items: readonly Item[],
  read: (some: readonly Item[]) => readonly SqlStatement[],
): Promise<ReadonlyMap<Item, unknown>> {
  const [item] = items;
  if (item === undefined) return new Map();
  const failure = await failureOf(manager, read(items));
  if (failure === null) return new Map();
  if (items.length === 1) return new Map([[item, failure]]);
  const middle = items.length >> 1;
  return new Map([
    ...(await failures(manager, items.slice(0, middle), read)),
    ...(await failures(manager, items.slice(middle), read)),
  ]);
}

/** Runs statements in a savepoint. @returns what they fail of for their data; null: nothing */
async function failureOf(manager: EntityManager, statements: readonly SqlStatement[]): Promise<unknown> {
  try {
    await pipelined(manager, [
      { sql: `SAVEPOINT ${NAME}` },
      ...statements,
      { sql: `RELEASE SAVEPOINT ${NAME}` },
    ]);
    return null;
  } catch (error) {
    if (!isDataError(error)) throw error;
    await manager.query(`ROLLBACK TO SAVEPOINT ${NAME}; RELEASE SAVEPOINT ${NAME}`);
    return error;
  }
}

const NAME = 'careful_read';

/** The records of a list at some places, from 0. */
function withPlaces<List extends SeqList>(list: List, places: readonly number[]): List {
  const kept = (array: string): string => {
    const all = elements(array);
    return writePgArray(places.map((place) => all[place] ?? null));
  };
  const { servedAt, seqs } = list;
  return {
    ...list,
    ids: kept(list.ids),
    servedAt: servedAt === null ? null : kept(servedAt),
    ...(seqs !== undefined && { seqs: kept(seqs).replaceAll('"', '') }),
  };
}

function elements(array: string): readonly (string | null)[] {
  return (parsePgArray(array) ?? []).map((element) => (typeof element === 'string' ? element : null));
}
