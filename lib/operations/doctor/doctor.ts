import type { ClientConfig } from 'pg';
import type { DataSource } from 'typeorm';
import type { SynchroProblem } from '../../common/errors.js';
import { discoverTables } from '../../registry/discovery.js';
import { connectConsumer, consumerConnection } from '../../replication/slot/consumer-connection.js';
import { readReplication } from '../../settings/synchro.settings.js';
import { poolerProblems } from '../../replication/slot/pooler-problems.js';
import { setupProblems } from '../../replication/slot/setup-problems.js';
import { TrackedTables } from '../../replication/tables/tracked-tables.js';
import { SchemaService } from '../../schema/schema.service.js';
import { connectionConfig, databaseName } from '../../database/connection-config.js';
import { migrationProblems } from '../../store/migrations/migration-runner.js';
import { roleProblems } from '../../store/rls/role-checks.js';
import { syncSchema } from '../../database/sync-schema.js';
import { indexProblems } from './index-problems.js';
import { publicationGaps } from './publication-gaps.js';
import { rlsProblems } from './rls-problems.js';
import { slotProblems } from './slot-problems.js';
import { timeZoneProblems } from './time-zone-problems.js';
import { updatedAtProblems } from './updated-at-problems.js';

export interface DoctorOptions {
  /** Default: `synchro_<database>`. */
  readonly slotName?: string;
  /** Default: `synchro_<database>`. */
  readonly publicationName?: string;
  /** Connection of the consumer. Default: the DataSource's. */
  readonly replication?: ClientConfig;
  /** Role in which pushes write, as in `forRoot({ pushRole })`. Default: the DataSource's. */
  readonly pushRole?: string;
  /** Bytes of WAL above which a slot without a reader counts as a fault. Default: 1 GiB. */
  readonly maxRetainedWal?: number;
}

/**
 * Finds everything that keeps sync from working, or makes it work badly: in the entities, the tables, the roles and
 * the server. It changes nothing.
 *
 * @param dataSource an initialised one, with the entities of the app
 * @returns problems and advice, each with its fix; empty when there are none
 */
export async function examine(
  dataSource: DataSource,
  options: DoctorOptions = {},
): Promise<readonly SynchroProblem[]> {
  const { slotName, publicationName } = readReplication(
    { slotName: options.slotName, publicationName: options.publicationName },
    databaseName(dataSource),
  );
  const { pushRole, maxRetainedWal = 1024 ** 3 } = options;
  const registry = discoverTables(dataSource, syncSchema(dataSource));
  const { problems } = await new SchemaService(registry, dataSource).check();
  const migrations = await migrationProblems(dataSource);
  // Every further question is about tables and columns that are there.
  if (problems.length + migrations.length > 0) return [...problems, ...migrations];
  const tracked = new TrackedTables(registry, () => true);
  const tables = registry.all();
  const connection = consumerConnection(
    options.replication ?? connectionConfig(dataSource),
    0,
    syncSchema(dataSource),
  );
  const pooler = await poolerProblems(connection);
  if (pooler.length > 0) return pooler;
  const consumer = await connectConsumer({ ...connection, application_name: 'nestjs-synchro doctor' });
  try {
    return [
      ...(await roleProblems(dataSource, registry, pushRole)),
      ...(await setupProblems(consumer, tracked, { slotName, publicationName })),
      ...(await publicationGaps(consumer, publicationName, tracked)),
      ...(await slotProblems(consumer, slotName, maxRetainedWal)),
      ...(await indexProblems(dataSource, tables)),
      ...(await rlsProblems(dataSource, tables, pushRole)),
      ...(await updatedAtProblems(dataSource, tables)),
      ...(await timeZoneProblems(dataSource, tables)),
    ];
  } finally {
    await consumer.end();
  }
}
