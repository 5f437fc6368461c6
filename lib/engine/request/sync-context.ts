import type { EntityManager } from 'typeorm';
import { SynchroError } from '../../common/errors.js';
import { StatementBatch } from '../../database/pipeline.js';
import { PreparedStatement } from '../../database/statement.js';
import type { SchemaContract } from '../../schema/schema-contract.js';
import type { SchemaService } from '../../schema/schema.service.js';
import type { SyncClient } from '../../store/clients/sync-clients.js';
import { type ContextRow, contextSql, type ProbeRow, probeSql, toClient, toLog } from './context-row.js';
import { ContractNotLoadedError } from './contract-not-loaded.error.js';
import type { LogState } from './log-state.js';
import { OutdatedLogError } from './outdated-log.error.js';
import type { RequestOpening } from './request-transactions.js';
import { SchemaMismatchError } from './schema-mismatch.error.js';
import type { SyncRequest } from './sync-request.js';

/** The state with which every request of a device begins. */
export interface SyncContext {
  /**
   * The present contract, under the version and hash that the client knows: an answer carries the pair of its
   * request, so that nothing changes for a client of a compatible older schema until it reads the new one.
   */
  readonly contract: SchemaContract;
  /** The client's schema is an older one, which the host declared compatible. */
  readonly isOlderSchema: boolean;
  readonly client: SyncClient | null;
  /** null until the WAL consumer has run for the first time. */
  readonly log: LogState | null;
}

export interface ContextRequest extends SyncRequest {
  /** The buckets that the user may read now. */
  readonly buckets: readonly string[];
  /** Register may come from a client that knows no schema yet. */
  readonly bootstrap?: boolean;
}

export interface ProbeRequest extends Pick<SyncRequest, 'userId' | 'clientId'> {
  readonly checkpoint: bigint;
}

/** Reads the {@link SyncContext}: one statement, and the same for every request. */
export class ContextReader {
  private readonly statement: PreparedStatement<ContextRow>;
  private readonly probes: PreparedStatement<ProbeRow>;

  constructor(private readonly schemas: SchemaService) {
    this.statement = new PreparedStatement(contextSql(schemas.tokenSql));
    this.probes = new PreparedStatement(probeSql(schemas.tokenSql));
  }

  /**
   * The first statement of a request's transaction: it sets the user (for RLS), and reads the device, the log, and
   * the catalogs' fingerprint, so that the next request sees a live ALTER TABLE (interleavings 25). It fails as
   * {@link open} does.
   */
  opening(request: ContextRequest): RequestOpening<SyncContext> {
    const { userId, clientId, buckets } = request;
    return (manager) =>
      StatementBatch.single(this.statement.bind(manager, [userId, clientId, buckets]), ([row]) =>
        this.open(request, row as ContextRow | undefined),
      );
  }

  /**
   * @param row undefined: none was read
   * @throws SchemaMismatchError when the client's schema is neither the current one nor compatible
   * @throws ContractNotLoadedError when the catalogs are as no request has seen them before
   */
  open(request: ContextRequest, row: ContextRow | undefined): SyncContext {
    const contract = this.schemas.cached(row?.token ?? '');
    if (!contract) throw new ContractNotLoadedError();
    const knows = this.schemas.gate(contract, request.schema, { bootstrap: request.bootstrap === true });
    if (knows === null) throw new SchemaMismatchError(contract);
    const isOlderSchema = knows === 'compatible';
    return {
      contract: isOlderSchema ? { ...contract, ...request.schema } : contract,
      isOlderSchema,
      client: row ? toClient(row, request.buckets, isOlderSchema) : null,
      log: row ? toLog(row) : null,
    };
  }

  /** Whether the catalogs have changed since a contract was read, as the transaction sees them now. */
  async isChanged(manager: EntityManager, { token }: SchemaContract): Promise<boolean> {
    const rows: { token: string }[] = await manager.query(`SELECT ${this.schemas.tokenSql} AS token`);
    return rows[0]?.token !== token;
  }

  /**
   * For each of some devices the same, and whether the log has anything for it after its checkpoint: nothing that a page
   * of the log reads is missing, but a pull may find that nothing is left of it. Of one snapshot, so that it needs no
   * transaction.
   */
  probe(manager: EntityManager, asked: readonly ProbeRequest[]): Promise<readonly ProbeRow[]> {
    return this.probes.run(manager, [
      asked.map(({ userId }) => userId),
      asked.map(({ clientId }) => clientId),
      asked.map(({ checkpoint }) => checkpoint.toString()),
    ]);
  }
}

/** @throws SynchroError `client_not_registered` */
export function registered(context: SyncContext): SyncClient {
  if (context.client) return context.client;
  throw notRegistered();
}

/** The error for a device that is not, or no longer, known. */
export function notRegistered(): SynchroError {
  return new SynchroError('client_not_registered', 'client not registered');
}

/**
 * The log, to read from.
 * @throws SynchroError `temporarily_unavailable` until the first edges are there
 * @throws OutdatedLogError run the transaction again
 */
export function ready({ log }: SyncContext): LogState {
  if (!log) throw new SynchroError('temporarily_unavailable', 'the WAL consumer has not run yet');
  if (log.isOutdated) throw new OutdatedLogError();
  return log;
}
