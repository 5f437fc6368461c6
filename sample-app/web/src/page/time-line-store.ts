import { clock, type DeviceMessage } from '../shared/messages.js';
import { Value } from '../shared/value.js';
import { api } from './api.js';

/** One transaction of the log's; times are milliseconds since 1970, by PostgreSQL's clock. */
interface LogEntry {
  readonly seq: number;
  readonly firstSeq: number;
  readonly committedAt: number | null;
  readonly loggedAt: number;
  readonly records: readonly {
    readonly table: string;
    readonly id: string;
    readonly isDelete: boolean;
    readonly label: string | null;
  }[];
}

interface Answer {
  readonly now: number;
  readonly entries: readonly LogEntry[];
}

/** Milliseconds after the commit; after the log where the commit's time is not known. */
export interface DeviceTimes {
  readonly poke: number | null;
  readonly pull: number;
}

export interface TimeLineRow {
  readonly seq: number;
  readonly text: string;
  /** Null: PostgreSQL does not say when it was committed, and the times count from the log. */
  readonly log: number | null;
  readonly devices: ReadonlyMap<string, DeviceTimes>;
}

const KEPT_ENTRIES = 6;
const KEPT_MESSAGES = 300;

/** Puts together what PostgreSQL knows (commit, log) and what the devices have seen (poke, pull). */
export class TimeLineStore {
  readonly rows = new Value<readonly TimeLineRow[]>([]);
  private entries: readonly LogEntry[] = [];
  private messages: readonly DeviceMessage[] = [];
  private head: number | null = null;
  /** The browser's clock minus PostgreSQL's, of the fastest answer. */
  private offset = { trip: Infinity, value: 0 };
  private reading: Promise<void> | null = null;
  private isStale = false;

  /** Begins with what comes after this moment. */
  async start(): Promise<void> {
    const { entries } = await this.ask(0);
    this.head = entries.at(-1)?.seq ?? 0;
    await this.refresh();
  }

  hear(message: DeviceMessage): void {
    this.messages = [...this.messages, message].slice(-KEPT_MESSAGES);
    if (message.kind === 'poked') this.show();
    else void this.refresh();
  }

  /** Reads what has been logged since; one question at a time. */
  async refresh(): Promise<void> {
    this.isStale = true;
    this.reading ??= this.readAll().finally(() => {
      this.reading = null;
    });
    await this.reading;
  }

  private async readAll(): Promise<void> {
    while (this.isStale && this.head !== null) {
      this.isStale = false;
      const { entries } = await this.ask(this.head);
      this.head = entries.at(-1)?.seq ?? this.head;
      this.entries = [...this.entries, ...entries].slice(-KEPT_ENTRIES);
      this.show();
    }
  }

  private async ask(after: number): Promise<Answer> {
    const began = clock();
    const answer = await api<Answer>('GET', `time-line?after=${after}`);
    const ended = clock();
    const trip = ended - began;
    if (trip < this.offset.trip) {
      const value = (began + ended) / 2 - answer.now;
      // Closer than can be measured: it is the same clock.
      this.offset = { trip, value: Math.abs(value) <= trip / 2 ? 0 : value };
    }
    return answer;
  }

  private show(): void {
    this.rows.set(this.entries.map((entry) => this.rowOf(entry)).toReversed());
  }

  private rowOf(entry: LogEntry): TimeLineRow {
    const { seq, committedAt, loggedAt } = entry;
    const from = committedAt ?? loggedAt;
    const since = (at: number): number => Math.max(0, at - this.offset.value - from);
    const devices = new Map<string, DeviceTimes>();
    for (const pulled of this.messages) {
      if (pulled.kind !== 'pulled' || devices.has(pulled.device) || !isAbout(pulled, entry)) continue;
      const poke = this.messages.find(
        ({ kind, device, checkpoint, at }) =>
          kind === 'poked' && device === pulled.device && checkpoint >= entry.firstSeq && at <= pulled.at,
      );
      devices.set(pulled.device, { poke: poke ? since(poke.at) : null, pull: since(pulled.at) });
    }
    return { seq, text: textOf(entry), log: committedAt === null ? null : loggedAt - committedAt, devices };
  }
}

function isAbout({ checkpoint, records }: DeviceMessage, entry: LogEntry): boolean {
  return (
    checkpoint >= entry.firstSeq && entry.records.some(({ table, id }) => records.includes(`${table}/${id}`))
  );
}

function textOf({ records }: LogEntry): string {
  const [first, ...more] = records;
  if (!first) return '';
  const name = `${first.table === 'tasks' ? 'Task' : 'Comment'} “${first.label ?? first.id.slice(0, 8)}”`;
  const rest = more.length === 0 ? '' : ` and ${more.length} more`;
  return `${name}${rest}${records.every(({ isDelete }) => isDelete) ? ' gone' : ''}`;
}
