import type { ClientBase, QueryConfig, QueryResult, QueryResultRow } from 'pg';
import { isDataError } from './database-error.js';
import { corkUntilNextTick } from './pg-internals.js';

/** A transaction whose statements are sent behind each other, and need not be waited for. */
export abstract class SentTransaction {
  /** Statements that were sent, and are not waited for yet. One that failed stays: what comes after it fails of the same. */
  private sent: Promise<unknown>[] = [];
  private isCareful = false;

  /** @param client with `pipeline` */
  protected constructor(protected readonly client: ClientBase) {}

  /** Runs any other statement in this transaction, behind what was sent. */
  async query<Row extends QueryResultRow>(
    statement: string | QueryConfig,
    values: unknown[] = [],
  ): Promise<QueryResult<Row>> {
    corkUntilNextTick(this.client);
    const answer = this.client.query<Row>(
      typeof statement === 'string' ? { text: statement, values } : statement,
    );
    answer.catch(() => undefined); // an earlier failure is thrown first
    await this.written();
    return answer;
  }

  /**
   * From here on what is written is waited for, so that a row that can't be written is found, and is set aside (see
   * `poison-rows.ts`); checks that would come with the commit come with their statement.
   */
  async beCareful(): Promise<void> {
    this.isCareful = true;
    await this.query('SET CONSTRAINTS ALL IMMEDIATE');
  }

  get careful(): boolean {
    return this.isCareful;
  }

  /**
   * Runs work under a savepoint. When it fails for its data nothing of it stays.
   * @returns what it failed of; null: it went well
   * @throws any other error
   */
  async attempt(work: () => Promise<void>): Promise<unknown> {
    await this.query('SAVEPOINT attempt');
    let failure: unknown = null;
    try {
      await work();
      await this.written();
    } catch (error) {
      if (!isDataError(error)) throw error;
      failure = error;
    }
    if (failure !== null) {
      await Promise.allSettled(this.sent);
      this.sent = [];
      await this.query('ROLLBACK TO SAVEPOINT attempt');
    }
    await this.query('RELEASE SAVEPOINT attempt');
    return failure;
  }

  /** Runs work that there is another way for: a careful transaction takes back what fails for its data. @returns whether it went well */
  async succeeds(work: () => Promise<unknown>): Promise<boolean> {
    const run = async (): Promise<void> => void (await work());
    if (this.careful) return (await this.attempt(run)) === null;
    await run();
    return true;
  }

  /**
   * Registers a read that is sent before its answer is needed: a statement behind a failed one fails for that alone,
   * and throws the first error. Not under a savepoint.
   */
  asked<Answer>(answer: Promise<Answer>): Promise<Answer> {
    answer.catch(() => undefined); // the caller that awaits it gets the error
    this.sent.push(answer);
    return answer;
  }

  /** Rows with every value as the text that the server sent. */
  async textRows(text: string, values: unknown[] = []): Promise<readonly Record<string, string | null>[]> {
    const types = { getTypeParser: () => (value: string) => value };
    const { rows } = await this.query<Record<string, string | null>>({ text, values, types });
    return rows;
  }

  /**
   * Waits for what was sent.
   * @throws what the first of the statements that were sent and failed ended in
   */
  async written(): Promise<void> {
    if (this.sent.length === 0) return;
    const sent = new Set(this.sent);
    await Promise.all(sent);
    // More may have been sent meanwhile.
    this.sent = this.sent.filter((answer) => !sent.has(answer));
  }

  /** Settles when all that was sent so far has been answered. */
  answered(): Promise<unknown> {
    return Promise.allSettled(this.sent.slice(-1));
  }

  async rollback(): Promise<void> {
    await this.client.query('ROLLBACK');
  }

  protected write(name: string | undefined, text: string, values: unknown[] = []): void {
    this.send(name, text, values).catch(() => undefined); // the caller that awaits it gets the error
  }

  protected send<Row extends QueryResultRow>(
    name: string | undefined,
    text: string,
    values: unknown[] = [],
  ): Promise<QueryResult<Row>> {
    corkUntilNextTick(this.client);
    const answer = this.client.query<Row>(name === undefined ? { text, values } : { name, text, values });
    this.sent.push(answer);
    return answer;
  }
}
