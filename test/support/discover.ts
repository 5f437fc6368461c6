import { DataSource } from 'typeorm';
import type { EntityClass, SyncRegistry } from '../../lib/index.js';
import { discoverTables } from '../../lib/registry/discovery.js';

/** The registry of an app with these entities; their tables need not exist. */
export async function discoverIn(url: string, entities: readonly EntityClass[]): Promise<SyncRegistry> {
  const dataSource = new DataSource({ type: 'postgres', url, entities: [...entities] });
  await dataSource.initialize();
  try {
    return discoverTables(dataSource, 'public');
  } finally {
    await dataSource.destroy();
  }
}
