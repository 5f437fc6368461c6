import { Client } from 'pg';

/** A statement as it was sent. */
export interface SentStatement {
  readonly sql: string;
  readonly parameters?: readonly unknown[];
  readonly name?: string;
}

/** What `pg`'s client is given: a text and its values, one statement, or several that go out together. */
interface Query {
  readonly text?: string;
  readonly values?: readonly unknown[];
  readonly name?: string;
  readonly statements?: readonly SentStatement[];
}

type Send = (this: Client, ...sent: unknown[]) => unknown;

const prototype = Client.prototype as unknown as { query: Send };
const { query } = prototype;
let recorded: SentStatement[] = [];

/** For `serve`: what this process sends to the database for requests. */
export const recorder = {
  startRecording: (): void => {
    recorded = [];
    prototype.query = function (this: Client, ...sent) {
      // The consumer's connections have a name.
      const { connectionParameters } = this as unknown as {
        readonly connectionParameters: { readonly application_name?: string };
      };
      if (connectionParameters.application_name !== 'nestjs-synchro') recorded.push(...statementsOf(sent));
      return query.apply(this, sent);
    };
  },

  endRecording: (): readonly SentStatement[] => {
    prototype.query = query;
    return recorded;
  },
};

function statementsOf([first, values]: readonly unknown[]): readonly SentStatement[] {
  if (typeof first === 'string')
    return [{ sql: first, ...(Array.isArray(values) && { parameters: values as unknown[] }) }];
  const { statements, text = '', values: parameters, name } = first as Query;
  return (
    statements ?? [{ sql: text, ...(parameters && { parameters }), ...(name !== undefined && { name }) }]
  );
}
