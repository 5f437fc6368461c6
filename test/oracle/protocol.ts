import type { PullResponse, PushChange, SchemaIds } from '../support/wire.js';
import type { Evidence } from './evidence.js';
import type { Interval } from './intervals.js';
import type { Exchange } from './exchange.js';
import { during } from './rules.js';
import { violation, type Violation } from './violation.js';
import { type GrantName } from './world/tables.js';

/** The keys that an answer may have, by its status. */
const BODIES: Readonly<Record<number, readonly string[]>> = {
  404: ['error'],
  409: ['code', 'message', 'server_schema_version', 'server_schema_hash'],
  500: ['error'],
  503: ['error', 'retry_after'],
};
const CLOSING = ['message', 'statusCode'];
const PATHS: Readonly<Record<string, readonly string[]>> = {
  schema: ['tables', 'server_time', 'schema_version', 'schema_hash'],
  register: ['id', 'server_time', 'last_sync_at', 'checkpoint', 'schema_version', 'schema_hash'],
  pull: [
    'changes',
    'deletes',
    'checkpoint',
    'has_more',
    'snapshot_required',
    'snapshot_reason',
    'bucket_updates',
    'schema_version',
    'schema_hash',
  ],
  snapshot: ['records', 'cursor', 'checkpoint', 'has_more', 'schema_version', 'schema_hash'],
  push: ['accepted', 'rejected', 'checkpoint', 'server_time', 'commit', 'schema_version', 'schema_hash'],
};

/** Why a request may be refused though nothing is broken. */
export interface KnownCauses {
  /** When the schema was changed. */
  readonly schemaChanges: readonly Interval[];
  /** When the sync tables were put back to what they once were. */
  readonly restored: readonly Interval[];
}

/** Judges what answers tell besides rows: nothing of others, and the truth. */
export class Protocol {
  constructor(
    private readonly evidence: Evidence,
    /** When the schema was changed. */
    private readonly known: KnownCauses,
  ) {}

  judge(exchange: Exchange): readonly Violation[] {
    const { path, answer, phone } = exchange;
    const tell = (what: string): Violation =>
      violation('protocol', '', '', `${phone.userId}'s ${path} (${answer.status}): ${what}`, phone);
    // Fastify itself answers while it shuts down.
    const closing = exchange.isDisturbed && answer.status === 503 ? CLOSING : [];
    const known = answer.status === 200 ? PATHS[path] : BODIES[answer.status];
    const keys = known && [...known, ...closing];
    const body = answer.json;
    if (!keys || typeof body !== 'object' || body === null || Array.isArray(body))
      return [tell(answer.text.slice(0, 300))];
    const strange = Object.keys(body).filter((key) => !keys.includes(key));
    const found = strange.map((key) => tell(`tells ${key}`));
    // The world's rows are all called so.
    if (answer.status !== 200 && /text \d/.test(answer.text)) found.push(tell('tells of rows'));
    if (answer.status !== 200 && !this.hasCause(exchange))
      found.push(tell(`for no reason: ${answer.text.slice(0, 300)}; ${askedWith(exchange)}`));
    if (answer.status === 200 && path === 'pull') found.push(...this.buckets(exchange).map(tell));
    return found;
  }

  private hasCause(exchange: Exchange): boolean {
    const { answer, phone, sent, received, schemaAt, isDisturbed } = exchange;
    if (isDisturbed) return true;
    // A push in which a hook throws fails as a whole at first.
    if (answer.status === 500 && exchange.path === 'push') {
      const { changes } = exchange.body as { readonly changes: readonly PushChange[] };
      return changes.some((change) => this.evidence.mayRaise(exchange, change));
    }
    const until = Math.max(sent, received);
    // A device registers once it has read the schema; a backup may be older than that, and than the schema's number.
    if (during(this.known.restored, schemaAt, until) && [404, 409].includes(answer.status)) return true;
    return answer.status === 409 && phone.hasSchema && during(this.known.schemaChanges, schemaAt, until);
  }

  /** What devices are told of their buckets, which they tell in turn. */
  private buckets({ phone, answer, body, sent, received }: Exchange): readonly string[] {
    const { bucket_updates: updates } = answer.json as unknown as PullResponse;
    const { known_buckets: known } = body as { readonly known_buckets: readonly string[] | null };
    const { added = [], removed = [] } = updates ?? {};
    const { slack } = this.evidence;
    const granted = (bucket: string): readonly Interval[] => this.granted(phone.userId, bucket);
    const maybe = (bucket: string): readonly Interval[] =>
      granted(bucket).map(({ from, to }) => ({ from, to: to + slack }));
    const strange = added.filter((bucket) => !during(maybe(bucket), sent, received));
    const held = removed.filter(
      (bucket) => !known?.includes(bucket) || this.evidence.throughout(granted(bucket), sent, received),
    );
    return [
      ...strange.map((bucket) => `tells of ${bucket}, which is another's`),
      ...held.map((bucket) => `takes ${bucket} away, which it should not`),
    ];
  }

  private granted(user: string, bucket: string): readonly Interval[] {
    if (bucket === 'global' || bucket === `user:${user}`) return [{ from: -Infinity, to: Infinity }];
    const [kind = '', what] = bucket.split(/:(.*)/s);
    const grant = GRANT_OF[kind];
    if (!grant) return [];
    return this.evidence.history.granted(grant, what, user);
  }
}

const GRANT_OF: Readonly<Record<string, GrantName>> = {
  team: 'team_members',
  task: 'watches',
  sheet_members: 'sheet_members',
};

/** What a device knew of the schema, and since when. */
function askedWith({ body, sent, schemaAt }: Exchange): string {
  const { schema_version: version, schema_hash: hash } = (body ?? {}) as Partial<SchemaIds>;
  return `sent ${sent} with version ${version} (${hash}), which was read at ${schemaAt}`;
}
