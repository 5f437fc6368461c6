import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { ClientBase, Connection, QueryConfig, ResultBuilder, Submittable } from 'pg';
import { SynchroError } from '../common/errors.js';

/*
 * The only file that touches what `pg` does not document. Its own pipeline mode (since 8.23) is an option of a client, and
 * the pool's clients are the host's; each statement there has a Sync of its own, so that those behind a failed one run.
 * The consumer's client uses it. What this file relies on, from pg 8.15.0 to the newest:
 *
 * - `client.connection` is a `Connection` (the native client has none), and its `stream` is the socket;
 * - `client.query(object)` calls `object.submit(connection)` when its turn comes, and the `handle…` methods for what
 *   the server answers, up to ReadyForQuery or an error: the contract of `pg-cursor` and `pg-query-stream`;
 * - `Client.Query` in `queryMode: 'extended'` writes Parse, Bind, Describe and Execute to the connection that `submit`
 *   gets, and ends with `sync()` on it; it skips Parse for a name in `parsedStatements` or `submittedNamedStatements`;
 * - on ParseComplete, the client puts the `name` and `text` of the object at hand into `parsedStatements`;
 * - what COPY brings is emitted by the connection as `copyData`.
 *
 * `test/database/pg-internals.test.ts` runs both. The self-test at start (`pool-checks.ts`) finds out when this no longer
 * holds, and statements go one by one.
 */

export function socketOf(client: ClientBase): Duplex {
  return connectionOf(client).stream;
}

/** Closes the socket: what the client waits for ends in an error, and the server rolls back what is open. */
export function cutConnection(client: ClientBase, reason?: Error): void {
  socketOf(client).destroy(reason);
}

/** Receives what COPY brings, in place of the client. */
export function receiveCopyData(client: ClientBase, receive: (chunk: Buffer) => void): void {
  const connection = connectionOf(client);
  connection.removeAllListeners('copyData');
  connection.on('copyData', ({ chunk }: { readonly chunk: Buffer }) => receive(chunk));
}

const corked = new WeakSet<Duplex>();

/**
 * What is sent from here on goes out in one piece, when there is nothing more to do without waiting: a system call for
 * each statement is a good part of what a small transaction costs.
 */
export function corkUntilNextTick(client: ClientBase): void {
  const socket = socketOf(client);
  if (corked.has(socket)) return;
  corked.add(socket);
  socket.cork();
  process.nextTick(() => {
    corked.delete(socket);
    socket.uncork();
  });
}

function connectionOf(client: ClientBase): Connection {
  return (client as ClientBase & { readonly connection: Connection }).connection;
}

/** A client that {@link sendPipeline} can use. */
export interface PipeliningClient {
  query(submittable: Submittable): unknown;
  readonly constructor: { readonly Query: QueryClass };
}

type QueryClass = new (
  config: QueryConfig,
  values: undefined,
  callback: (error: Error | null | undefined, result?: ResultBuilder) => void,
) => SentQuery;

/** Not the native client, and none in pg's own pipeline mode, which refuses objects that send themselves. */
export function isPipelining(client: unknown): client is PipeliningClient {
  if (typeof client !== 'object' || client === null) return false;
  const { connection, pipeline, constructor } = client as Record<'connection' | 'pipeline', unknown>;
  return pipeline !== true && connection instanceof EventEmitter && 'Query' in constructor;
}

/**
 * Sends statements with a single Sync behind the last: the server runs them one after the other, and none behind one that
 * fails. When the answers don't match the statements in number the connection is closed, so that no answer can go to
 * another request's statement.
 * @param statements at least one
 * @param done called with the rows of each statement, in their order; or else
 * @param failed with the index of the statement that failed, or at which the connection broke
 */
export function sendPipeline(
  client: PipeliningClient,
  statements: readonly QueryConfig[],
  done: (rows: Results) => void,
  failed: (error: Error, index: number) => void,
): void {
  client.query(new Pipeline(client.constructor.Query, statements, done, failed));
}

type Results = readonly (readonly unknown[])[];
/** The members of `pg`'s `Query` that are used. */
interface SentQuery {
  readonly name?: string;
  readonly text?: string;
  /** @returns the error of a statement of which nothing was sent */
  submit(connection: Connection): Error | null | undefined;
  handleRowDescription(message: unknown): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: Connection): void;
  handleEmptyQuery(connection: Connection): void;
  handleReadyForQuery(connection: Connection): void;
}

/** To `pg`'s client, one query. */
class Pipeline implements Submittable {
  /** The client replaces it where queries have a time limit (`query_timeout`): a call ends that. */
  callback = (): void => undefined;
  private readonly queries: readonly SentQuery[];
  private readonly results: (readonly unknown[])[] = [];
  private current = 0;
  private hasFailed = false;

  constructor(
    Query: QueryClass,
    statements: readonly QueryConfig[],
    private readonly done: (rows: Results) => void,
    private readonly failed: (error: Error, index: number) => void,
  ) {
    this.queries = statements.map((statement, index) => {
      // Statements without parameters would go by the simple protocol, which syncs by itself.
      return new Query({ ...statement, queryMode: 'extended' } as QueryConfig, undefined, (error, result) => {
        if (error) this.fail(error, index);
        else this.results[index] = result?.rows ?? [];
      });
    });
  }

  /** Of the statement that is answered next: the client remembers that the server has it. */
  get name(): string | undefined {
    return this.next?.name;
  }

  get text(): string | undefined {
    return this.next?.text;
  }

  submit(connection: Connection & { readonly parsedStatements?: Names }): void {
    const { stream, parsedStatements = null } = connection;
    stream.cork();
    try {
      // A pipeline that fails adds none to the connection's own.
      const names = Object.create(parsedStatements) as Names;
      const view = viewOf(connection, names);
      for (const [index, query] of this.queries.entries()) {
        const refused = query.submit(view);
        if (refused) this.fail(refused, index);
        // Nothing behind a statement that can't be sent runs, as behind one that fails.
        if (this.hasFailed) break;
        if (query.name !== undefined) names[query.name] = query.text;
      }
      connection.sync();
    } catch (error) {
      this.breakOff(connection, error);
    } finally {
      stream.uncork();
    }
  }

  handleRowDescription(message: unknown): void {
    this.next?.handleRowDescription(message);
  }

  handleDataRow(message: unknown): void {
    this.next?.handleDataRow(message);
  }

  handleCommandComplete(message: unknown, connection: Connection): void {
    this.next?.handleCommandComplete(message, connection);
    this.answered(connection);
  }

  handleEmptyQuery(connection: Connection): void {
    this.next?.handleEmptyQuery(connection);
    this.answered(connection);
  }

  handleError(error: Error): void {
    this.fail(error, this.current);
  }

  handleReadyForQuery(connection: Connection): void {
    if (this.hasFailed) return;
    if (this.current < this.queries.length) return this.breakOff(connection);
    for (const query of this.queries) query.handleReadyForQuery(connection);
    if (this.hasFailed) return;
    this.callback();
    this.done(this.results);
  }

  private get next(): SentQuery | undefined {
    return this.queries[this.current];
  }
  private answered(connection: Connection): void {
    this.current += 1;
    if (this.current > this.queries.length) this.breakOff(connection);
  }

  private breakOff(connection: Connection, cause?: unknown): void {
    const { current, queries } = this;
    const what =
      cause === undefined
        ? `${queries.length} statements were sent together, and ${current} were answered`
        : 'statements could not be sent together';
    const message = `${what}: the connection to the database was closed`;
    this.fail(new SynchroError('temporarily_unavailable', message, undefined, { cause }), current);
    // An older pg throws at an answer that no query waits for, and more may have arrived.
    for (const message of ANSWERS) connection.removeAllListeners(message);
    connection.stream.destroy();
  }

  private fail(error: Error, index: number): void {
    if (this.hasFailed) return;
    this.hasFailed = true;
    this.callback();
    this.failed(error, Math.min(index, this.queries.length - 1));
  }
}

/** The answers of the server to a statement, as the connection emits them. */
const ANSWERS = [
  'parseComplete',
  'rowDescription',
  'dataRow',
  'commandComplete',
  'readyForQuery',
  'errorMessage',
];

type Names = Record<string, string | undefined>;

/**
 * A connection as the statements of one pipeline see it: it doesn't sync.
 * @param names of the statements that the server has; the connection's own are those that it confirmed
 */
function viewOf(connection: Connection, names: Names): Connection {
  const nothing = { value: (): void => undefined };
  return Object.create(connection, {
    sync: nothing,
    // Of a name whose Bind could not be sent, pg closes the statement, and takes it for parsed all the same.
    close: nothing,
    parsedStatements: { value: names },
    submittedNamedStatements: { value: {} },
  }) as Connection;
}
