import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { WriteRejection } from '../settings/hook-events.js';

/** A row with the columns that devices see: database column → value as in the wire's JSON; inexact numbers are texts. */
export type PolicyRow = Readonly<Record<string, unknown>>;

/** One change of a push that a policy allows or refuses. The user sees the row, or the parent of a new one. */
export interface WriteRequest {
  readonly recordId: string;
  /** The effect on the row: a create of a row that is there is an `update`, one of a deleted row an `undelete`. */
  readonly operation: 'create' | 'update' | 'undelete' | 'delete';
  /** The row as it is, locked by the push; null for a create. */
  readonly current: PolicyRow | null;
  /** The row as the device wants it; null for a delete. */
  readonly wanted: PolicyRow | null;
  /**
   * Canonical id of the row's owner, by the owner column or through the parents; null when the row has none. Of a
   * create: the user, or the parent's owner in a table without an owner column.
   */
  readonly owner: string | null;
  /** The answer of {@link OwnerWritePolicy}. */
  readonly byDefault: boolean;
  /**
   * The change that is asked about when it is one of a row below this one, in a table without a policy of its own: may
   * the user change what is below this row? Then `operation` is `update`, and `wanted` is `current`.
   */
  readonly child: ChildChange | null;
}

export interface ChildChange {
  /** Wire name of the table. */
  readonly table: string;
  readonly recordId: string;
  readonly operation: WriteRequest['operation'];
}

/** Changes of one push in one table. */
export interface WriteQuestion {
  /** Wire name of the table. */
  readonly table: string;
  /** Canonical id of the user who pushes. */
  readonly userId: string;
  readonly clientId: string;
  /** Never empty; in the order of arrival. */
  readonly changes: readonly WriteRequest[];
}

/**
 * `true` allows a change and `false` refuses it; a {@link WriteRejection} refuses it with a reason of the host's. `owner`
 * allows it and puts this user id into the row's owner column; otherwise the column is the user's on a create, and stays
 * as it is on any other change.
 */
export type WriteAnswer = boolean | WriteRejection | { readonly owner: string };

/**
 * Says who may write. Override it with `forRoot({ providers: [{ provide: WritePolicy, useClass: … }] })`; give tables
 * policies of their own with `PerTableWritePolicy` (docs/who-may-write.md).
 *
 * It is asked under the locks of the rows, in the push's transaction, and never about what the user doesn't see. What it
 * throws concerns the changes asked about: they are asked about one by one, and the one that fails is to be sent again.
 */
export abstract class WritePolicy {
  /**
   * @param manager the push's transaction. For reading: what is written with it may be undone. Rows that the answer
   *   depends on can be locked with it (`FOR SHARE`), so that a revocation waits for the push
   * @returns an answer to each change, in the order of the changes
   */
  abstract decide(
    question: WriteQuestion,
    manager: EntityManager,
  ): readonly WriteAnswer[] | Promise<readonly WriteAnswer[]>;
}

/**
 * The default: a row is written by its owner, by the owner column or through the parents. Sync checks it in SQL, in the
 * statements that lock and write, and asks no code.
 */
@Injectable()
export class OwnerWritePolicy extends WritePolicy {
  override decide({ changes }: WriteQuestion): readonly WriteAnswer[] {
    return changes.map(({ byDefault }) => byDefault);
  }
}
