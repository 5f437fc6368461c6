import { Client } from 'pg';
import { pause } from '../support/wait.js';

/** Longest time for which nobody else gets the log, in milliseconds: what somebody does meanwhile may wait for it. */
export const HOLD = 2_000;
/** Long enough for the consumer to ask for it, as a rule. */
const ASKED = 20;

/** Keeps everybody from appending to the changelog: what is committed is not in it yet. */
export class HeldLog {
  static async take(url: string): Promise<HeldLog> {
    const holder = await connect(url);
    try {
      await holder.query(TAKE);
      return new HeldLog(url, holder);
    } catch (error) {
      await holder.end();
      throw error;
    }
  }

  private constructor(
    private readonly url: string,
    private holder: Client,
  ) {}

  /** Lets the consumer write once, if it has something: it is first in the line. */
  async step(): Promise<void> {
    await pause(ASKED);
    const next = await connect(this.url);
    const taken = next.query(TAKE);
    taken.catch(() => undefined); // it is awaited below
    await this.letGo();
    this.holder = next;
    await taken;
  }

  async letGo(): Promise<void> {
    await this.holder.end();
  }
}

const TAKE = 'SELECT FROM sync_wal_position FOR UPDATE';

async function connect(connectionString: string): Promise<Client> {
  const client = new Client({ connectionString });
  client.on('error', () => undefined); // the next query says it
  await client.connect();
  await client.query(`SET idle_in_transaction_session_timeout = ${HOLD}; BEGIN`);
  return client;
}
