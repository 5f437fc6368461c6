import { Client, type Connection, type Submittable } from 'pg';
import { serve } from '../environment/serve.js';

/** All rows as JSON text by COPY, the fastest that PostgreSQL gives rows away. In the table's own order: it sorts nothing. */
const COPY = `
COPY (SELECT row_to_json(r) FROM (
  SELECT t.id, 'tasks' AS table_name,
         (SELECT d FROM (SELECT t.id, t.user_id, t.title, t.body, t.done, t.priority, t.amount, t.created_at,
                                t.updated_at, t.deleted_at) AS d) AS data, t.updated_at
    FROM tasks AS t) AS r) TO STDOUT`;

/** What pg lets a query of another kind answer to. */
class CopyOut implements Submittable {
  readonly done: Promise<void>;
  private resolve: () => void = () => undefined;
  private reject: (error: Error) => void = () => undefined;

  constructor(
    private readonly text: string,
    private readonly onData: (chunk: Buffer) => void,
  ) {
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  submit(connection: Connection): void {
    connection.query(this.text);
  }

  handleCopyData({ chunk }: { readonly chunk: Buffer }): void {
    this.onData(chunk);
  }

  handleError(error: Error): void {
    this.reject(error);
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.resolve();
  }
}

const client = new Client({ connectionString: process.env['DATABASE_URL'], options: '-c TimeZone=UTC' });
await client.connect();

/** @returns bytes */
async function copy(): Promise<number> {
  let bytes = 0;
  await client.query(new CopyOut(COPY, (chunk) => (bytes += chunk.length))).done;
  return bytes;
}

/** The rows, a line each. */
async function lines(): Promise<string> {
  const chunks: Buffer[] = [];
  await client.query(new CopyOut(COPY, (chunk) => chunks.push(Buffer.from(chunk)))).done;
  return Buffer.concat(chunks).toString();
}

serve({ copy, lines }, '', () => client.end());
