import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { SyncRegistry } from '../registry/sync-registry.js';
import { SYNC_DATA_SOURCE } from '../store/data-source.token.js';
import { inTransaction } from '../store/session.js';
import { buildContractTables } from './contract-builder.js';
import { introspect } from './introspection.js';
import { addVersion, findVersion, type ManifestEntry, manifestHistory } from './manifest.js';
import type { SchemaContract } from './schema-contract.js';
import { schemaTokenSql } from './schema-token.js';
import { contractHash, metaTablesJson, schemaTablesJson } from './wire-json.js';

/** A rolling deployment and a host transaction of some age see older catalogs than the newest. */
const CONTRACTS_KEPT = 4;

/**
 * The contract between clients and this database, read once for each state of the catalogs. A request's first
 * statement brings {@link tokenSql}'s value along, so a live ALTER TABLE is seen by the very next request of every
 * instance (interleavings 25), and nothing is locked or written while there is none (hazard W-SCH-1).
 */
@Injectable()
export class SchemaService {
  /** A sub-select that gives the catalogs' fingerprint as text. */
  readonly tokenSql: string;
  private readonly contracts = new Map<string, SchemaContract>();
  private readonly loading = new Map<string, Promise<SchemaContract>>();

  constructor(
    private readonly registry: SyncRegistry,
    @Inject(SYNC_DATA_SOURCE) private readonly dataSource: DataSource,
  ) {
    this.tokenSql = schemaTokenSql(registry);
  }

  /** The contract of a token if it is in memory. */
  cached(token: string): SchemaContract | undefined {
    return this.contracts.get(token);
  }

  /**
   * The contract of a token. When the catalogs have moved on since the token was read it is a newer one, as its
   * own `token` tells; concurrent callers share one load.
   *
   * Without `manager` a load takes a connection of its own from the pool: a caller that holds one already should
   * pass its manager (whose session must be in one of {@link inTransaction}'s transactions), lest a full pool
   * waits for itself. Only a contract that was never seen before needs a second connection then.
   *
   * @throws {SynchroError} with all that keeps the tables from being synced
   */
  async contract(token: string, manager?: EntityManager): Promise<SchemaContract> {
    const known = this.contracts.get(token);
    if (known) return known;
    return manager ? this.load(manager) : this.loadShared(token);
  }

  /** The contract as of now. */
  async current(): Promise<SchemaContract> {
    return this.contract(await this.readToken(this.dataSource.manager));
  }

  /** The latest contracts that were in force, newest first. */
  async history(limit = 100): Promise<readonly ManifestEntry[]> {
    return manifestHistory(this.dataSource, limit > 0 ? limit : 100);
  }

  private loadShared(token: string): Promise<SchemaContract> {
    const running = this.loading.get(token);
    if (running) return running;
    const load = inTransaction(this.dataSource, 'read', (manager) => this.read(manager))
      .then((draft) => this.publish(draft))
      .finally(() => this.loading.delete(token));
    this.loading.set(token, load);
    return load;
  }

  private async load(manager: EntityManager): Promise<SchemaContract> {
    return this.publish(await this.read(manager));
  }

  /** Everything from one snapshot, so that the token vouches for what was read with it. */
  private async read(manager: EntityManager): Promise<ContractDraft> {
    const token = await this.readToken(manager);
    const registered = this.registry.all();
    const tables = buildContractTables(registered, await introspect(manager, registered));
    const tablesJson = schemaTablesJson(tables);
    const hash = contractHash(tablesJson);
    return {
      version: await findVersion(manager, hash),
      hash,
      token,
      tables: new Map(tables.map((table) => [table.table.name, table])),
      schemaTablesJson: tablesJson,
      metaTablesJson: metaTablesJson(tables),
    };
  }

  private async publish(draft: ContractDraft): Promise<SchemaContract> {
    const contract = { ...draft, version: draft.version ?? (await addVersion(this.dataSource, draft.hash)) };
    this.contracts.set(contract.token, contract);
    for (const oldest of [...this.contracts.keys()].slice(0, -CONTRACTS_KEPT)) this.contracts.delete(oldest);
    return contract;
  }

  private async readToken(manager: EntityManager): Promise<string> {
    const rows: { token: string }[] = await manager.query(`SELECT ${this.tokenSql} AS token`);
    return rows[0]?.token ?? '';
  }
}

/** A contract whose hash may not have a version yet. */
interface ContractDraft extends Omit<SchemaContract, 'version'> {
  readonly version: bigint | null;
}
