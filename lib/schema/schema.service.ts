import { Inject, Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { describeProblem, problemsError, type SynchroProblem } from '../common/errors.js';
import { quoteRelation } from '../common/identifiers.js';
import { SyncLogger } from '../common/sync-logger.js';
import { SyncRegistry, type RegistryProblem } from '../registry/sync-registry.js';
import { type EnumLabel, keepLabels, renamedLabels, unknownLabels } from '../store/enum-labels.js';
import { SYNC_DATA_SOURCE } from '../database/data-source.token.js';
import { inTransaction, singleStatement, type SqlRunner } from '../database/session.js';
import { SYNCHRO_OPTIONS } from '../settings/synchro.options.js';
import { readSettings, type SynchroSettings } from '../settings/synchro.settings.js';
import { buildContract, type BuiltContract } from './contract-builder.js';
import { introspect } from './introspection/introspection.js';
import {
  addVersion,
  columnKey,
  type ContractColumns,
  findVersion,
  hasManifest,
  lateColumns,
  type ManifestEntry,
  manifestHistory,
} from './manifest.js';
import type { SchemaContract } from './schema-contract.js';
import { isCompatible, knowsSchema, type ClientSchema } from './schema-gate.js';
import type { SchemaFindings } from './problems/schema-problem.js';
import { schemaTokenSql } from './introspection/schema-token.js';
import { contractHash, metaTablesJson, schemaTablesJson } from './wire-json.js';

/** A rolling deployment and a host transaction of some age see older catalogs than the newest. */
const CONTRACTS_KEPT = 4;

/**
 * The contract between clients and this database, read once for each state of the catalogs. A request's first
 * statement brings {@link tokenSql}'s value along, so a live ALTER TABLE is seen by the very next request of every
 * instance (interleavings 25), and nothing is locked or written while there is none (hazard W-SCH-1).
 *
 * It is also the one door: nothing is served without a contract, and there is none while the entities or the tables
 * have a problem. But where DDL has only made a table unfit for writing, since the app began, the others go on, and so
 * does reading it: pushes find it closed (hazard W-HOST-27).
 */
@Injectable()
export class SchemaService {
  /** A sub-select that gives the catalogs' fingerprint as text. */
  readonly tokenSql: string;
  private readonly logger: SyncLogger;
  private readonly contracts = new Map<string, SchemaContract>();
  private readonly loading = new Map<string, Promise<SchemaContract>>();

  constructor(
    private readonly registry: SyncRegistry,
    @Inject(SYNC_DATA_SOURCE) private readonly dataSource: DataSource,
    @Inject(SYNCHRO_OPTIONS)
    private readonly settings: Pick<SynchroSettings, 'schema' | 'logger'> = readSettings({}),
  ) {
    this.tokenSql = schemaTokenSql(registry);
    this.logger = new SyncLogger(settings.logger, 'Synchro');
  }

  /** The contract of a token, if it is in memory: for callers that hold a connection, see {@link current}. */
  cached(token: string): SchemaContract | undefined {
    return this.contracts.get(token);
  }

  /**
   * All that is wrong with the entities and the tables, what is worth knowing, and, with no problems, the contract's
   * tables. It needs none of the sync tables, so that it can be asked before they are there.
   */
  async check(): Promise<SchemaFindings & Pick<BuiltContract, 'tables'>> {
    return inTransaction(this.dataSource, 'read', async (manager) => {
      const built = await this.build(manager, await hasManifest(manager));
      const { tables, problems, warnings, closing, atStart } = built;
      return { tables, problems: [...problems, ...[...closing.values()].flat(), ...atStart], warnings };
    });
  }

  /**
   * The standing of a schema that a client names: the `current` one, one that the host declared `compatible`, or
   * another (null).
   */
  gate(
    contract: SchemaContract,
    client: ClientSchema,
    options: { readonly bootstrap: boolean },
  ): 'current' | 'compatible' | null {
    if (knowsSchema(contract, client, options)) return 'current';
    return isCompatible(client, this.settings.schema.compatibleHashes) ? 'compatible' : null;
  }

  /**
   * The present contract; concurrent callers share one load. It takes connections from the pool, one after another: a
   * caller that holds one already could wait for itself.
   * @throws {SynchroError} with all that keeps the tables from being synced
   */
  async current(): Promise<SchemaContract> {
    const token = await singleStatement(this.dataSource, (manager) => this.readToken(manager));
    return this.contracts.get(token) ?? this.load(token);
  }

  /** The tables of the contract as of now, by the caller's connection alone. */
  async tables(manager: SqlRunner): Promise<SchemaContract['tables']> {
    const { tables } = this.contracts.get(await this.readToken(manager)) ?? (await this.read(manager));
    return tables;
  }

  /** The latest contracts that were in force, newest first. */
  async history(limit = 100): Promise<readonly ManifestEntry[]> {
    return manifestHistory(this.dataSource, limit > 0 ? limit : 100);
  }

  private load(token: string): Promise<SchemaContract> {
    const running = this.loading.get(token);
    if (running) return running;
    const load = this.readNumbered().finally(() => this.loading.delete(token));
    this.loading.set(token, load);
    return load;
  }

  /** Gives a new contract its version, and reads it again: the manifest belongs to what the token vouches for. */
  private async readNumbered(): Promise<SchemaContract> {
    for (;;) {
      const draft = await inTransaction(this.dataSource, 'read', (manager) => this.read(manager));
      const { labels, version, ...contract } = draft;
      if (labels.length > 0)
        await inTransaction(this.dataSource, 'write', (manager) => keepLabels(manager, labels));
      if (version !== null) return this.keep({ ...contract, version });
      await addVersion(this.dataSource, contract.hash, columnsOf(contract));
    }
  }

  /** Everything from one snapshot, so that the token vouches for what was read with it. */
  private async read(manager: SqlRunner): Promise<ContractDraft> {
    const token = await this.readToken(manager);
    const { tables, problems, closing } = await this.build(manager, true);
    if (problems.length > 0) throw problemsError(problems);
    for (const problem of [...closing.values()].flat())
      this.logger.error('a table is closed for pushes', { problem: describeProblem(problem) });
    const tablesJson = schemaTablesJson(tables);
    const hash = contractHash(tablesJson);
    return {
      version: await findVersion(manager, hash),
      hash,
      token,
      tables: new Map(tables.map((table) => [table.table.name, table])),
      closed: new Set([...closing.keys()].map(({ name }) => name)),
      schemaTablesJson: tablesJson,
      metaTablesJson: metaTablesJson(tables),
      labels: await unknownLabels(manager),
    };
  }

  private async build(manager: SqlRunner, withManifest: boolean): Promise<BuiltContract> {
    const tables = this.registry.all();
    const sources = tables.flatMap((table) => table.bucketSources);
    const catalogs = await introspect(manager, [
      ...tables,
      ...sources.map(({ schema, relation }) => ({ schema, name: relation })),
    ]);
    const entries = tables.map((table, index) => ({ table, catalog: catalogs[index] ?? null }));
    const columns = entries.flatMap(({ table, catalog }) =>
      (catalog?.columns ?? []).map(({ name }) => [table.name, name] as const),
    );
    const late = withManifest ? await lateColumns(manager, columns) : new Set();
    const built = buildContract(
      entries,
      new Map(
        sources.map(({ schema, relation }, index) => [
          quoteRelation(schema, relation),
          catalogs[tables.length + index] ?? null,
        ]),
      ),
      (table, column) => late.has(columnKey(table, column)),
      withManifest ? await renamedLabels(manager) : new Map(),
    );
    const { problems, warnings } = this.registry.findings;
    return {
      tables: built.tables,
      problems: [...problems, ...built.problems.filter((problem) => !isReported(problem, problems))],
      warnings: [...warnings, ...built.warnings],
      closing: built.closing,
      atStart: built.atStart,
    };
  }

  private keep(contract: SchemaContract): SchemaContract {
    this.contracts.set(contract.token, contract);
    for (const oldest of [...this.contracts.keys()].slice(0, -CONTRACTS_KEPT)) this.contracts.delete(oldest);
    return contract;
  }

  private async readToken(manager: SqlRunner): Promise<string> {
    const rows: { token: string }[] = await manager.query(`SELECT ${this.tokenSql} AS token`);
    return rows[0]?.token ?? '';
  }
}

function columnsOf({ tables }: Pick<ContractDraft, 'tables'>): ContractColumns {
  return new Map(
    [...tables].map(([name, { columns, virtualColumns }]) => [
      name,
      [...columns, ...virtualColumns].map((column) => column.name),
    ]),
  );
}

/** The entity's own problem with a column or an option says enough. */
function isReported(problem: SynchroProblem, reported: readonly RegistryProblem[]): boolean {
  return reported.some(
    ({ entity, option, unknownColumn }) =>
      entity === problem.entity && [option, unknownColumn].includes(problem.option),
  );
}

/** A contract whose hash may not have a version yet. */
interface ContractDraft extends Omit<SchemaContract, 'version'> {
  readonly version: bigint | null;
  readonly labels: readonly EnumLabel[];
}
