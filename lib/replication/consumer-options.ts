import type { ClientConfig } from 'pg';

/** {@link ReplicationOptions} with every default filled in. */
export interface WalConsumerOptions {
  readonly slotName: string;
  readonly publicationName: string;
  readonly connection: ClientConfig;
  /** Of the sync tables. */
  readonly schema: string;
  readonly batchRows: number;
  readonly maxBatchRows: number;
  readonly maxSubscriptionRows: number;
  readonly maxBucketsPerRow: number;
  readonly ruleTimeout: number;
  readonly walSenderTimeout: number;
}
