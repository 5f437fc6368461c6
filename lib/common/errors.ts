import { groupBy } from './collections.js';

/** Stable codes of what can go wrong; messages may change, codes don't. */
export type SynchroErrorCode =
  | 'configuration_invalid'
  | 'wal_level_not_logical'
  | 'permission_missing'
  | 'primary_key_missing'
  | 'publication_invalid'
  | 'replica_identity_missing'
  | 'slot_busy'
  | 'slot_taken'
  | 'slot_lost'
  | 'position_conflict'
  | 'decode_failed'
  | 'rule_failed'
  | 'not_caught_up'
  | 'schema_unsupported'
  | 'schema_mismatch'
  | 'client_not_registered'
  | 'client_stale'
  | 'compaction_not_configured'
  | 'upgrade_required'
  | 'user_missing'
  | 'bad_request'
  | 'temporarily_unavailable'
  | 'index_missing'
  | 'slot_unhealthy'
  | 'rls_bypassed'
  | 'updated_at_stale'
  | 'time_zone_trap'
  | 'database_unreachable';

/** One thing that keeps sync from starting or, as a warning, that works in another way than one may think. */
export interface SynchroProblem {
  readonly code: SynchroErrorCode;
  /** The entity's class; what else it is about (`PostgreSQL`, `SynchroModule`) where it is no entity. */
  readonly entity: string;
  /** The option or the database column. */
  readonly option: string;
  /** The problem in one sentence. */
  readonly message: string;
  /** The exact SQL, setting or step that fixes it. */
  readonly fix: string;
  /** Sync works without it: nothing is wrong as long as the host keeps to what the message says. Default: it doesn't. */
  readonly isAdvice?: true;
  /** Of a warning: what it is one of, for a line that stands for all of them. Default: it stands for itself. */
  readonly group?: string;
}

/**
 * Says what went wrong, with which object, and how to fix it. Thrown where the cause is known; turned into an HTTP
 * status only at the edge.
 */
export class SynchroError extends Error {
  override readonly name = 'SynchroError';
  /** Everything that was found, where there may be several things; else empty. */
  readonly problems: readonly SynchroProblem[];
  /** The message without the fix. */
  readonly summary: string;

  /**
   * @param code stable machine-readable code
   * @param message what went wrong and with which object, in one sentence
   * @param fix the exact SQL, setting or step that fixes it, if there is one
   */
  constructor(
    readonly code: SynchroErrorCode,
    message: string,
    readonly fix?: string,
    options: ErrorOptions & { readonly problems?: readonly SynchroProblem[] } = {},
  ) {
    super(fix === undefined ? message : `${message}\n  To fix it: ${fix}`, options);
    this.problems = options.problems ?? [];
    this.summary = message;
  }
}

/**
 * One error for everything that was found, so that a start shows all that has to be fixed: a line for each. Its code
 * is that of the problems if they agree, else `configuration_invalid`.
 */
export function problemsError(problems: readonly SynchroProblem[]): SynchroError {
  const codes = new Set(problems.map(({ code }) => code));
  const [code = 'configuration_invalid', ...others] = codes;
  const lines = problems.map((problem) => `\n- ${describeProblem(problem)}`);
  return new SynchroError(
    others.length === 0 ? code : 'configuration_invalid',
    `sync can't start:${lines.join('')}`,
    undefined,
    { problems },
  );
}

/** A problem on one line: `entity: option: what is wrong; what fixes it`. */
export function describeProblem({ entity, option, message, fix }: SynchroProblem): string {
  return `${entity}: ${option}: ${message}; ${fix}`;
}

/** A line for each warning; several of a group are on one, with the first of them in full. */
export function describeWarnings(warnings: readonly SynchroProblem[]): readonly string[] {
  const groups = groupBy(warnings, (warning) => warning.group ?? describeProblem(warning));
  return [...groups].map(([group, [first, ...others]]) => {
    if (others.length === 0) return describeProblem(first);
    const names = [first, ...others].map(({ entity, option }) => `${entity}.${option}`);
    const more = names.length > MOST_NAMED ? `, and ${names.length - MOST_NAMED} more` : '';
    return `${names.length} ${group}: ${names.slice(0, MOST_NAMED).join(', ')}${more}. The first: ${describeProblem(first)}`;
  });
}

const MOST_NAMED = 20;

/** The problem of a check that throws at the first one, to be listed among others. */
export async function problemsOf(
  entity: string,
  option: string,
  check: () => void | Promise<void>,
): Promise<readonly SynchroProblem[]> {
  try {
    await check();
    return [];
  } catch (error) {
    if (!(error instanceof SynchroError)) throw error;
    const { code, summary, fix = '' } = error;
    return [{ code, entity, option, message: summary, fix }];
  }
}
