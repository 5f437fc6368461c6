import type { ClientConfig } from 'pg';
import type { ReplicationSettings } from '../settings/synchro.settings.js';

/** {@link ReplicationSettings} with what the DataSource says. */
export interface WalConsumerOptions extends ReplicationSettings {
  readonly connection: ClientConfig;
  /** Of the sync tables. */
  readonly schema: string;
  /** Told when what was appended to the log can be read. */
  readonly onAppended: () => void;
}
