import { Injectable } from '@nestjs/common';
import { WritePolicy } from 'nestjs-synchro';
import type { WriteAnswer, WriteQuestion } from 'nestjs-synchro';
import type { EntityManager } from 'typeorm';

/** Adds to the default rule that a task is edited by the users whose share says so. Only its owner deletes it. */
@Injectable()
export class TaskWritePolicy extends WritePolicy {
  override async decide(
    { userId, changes }: WriteQuestion,
    manager: EntityManager,
  ): Promise<readonly WriteAnswer[]> {
    const others = changes.filter(({ byDefault }) => !byDefault).map(({ recordId }) => recordId);
    if (others.length === 0) return changes.map(() => true);
    // Locked, so that taking the right away waits for the pushes that count on it.
    const shares: { task_id: string }[] = await manager.query(
      `SELECT task_id FROM task_shares
        WHERE shared_with_user_id = $1 AND task_id = ANY($2::uuid[]) AND can_edit
          FOR SHARE`,
      [userId, others],
    );
    const editable = new Set(shares.map(({ task_id: taskId }) => taskId));
    return changes.map(
      ({ byDefault, operation, recordId }) => byDefault || (operation === 'update' && editable.has(recordId)),
    );
  }
}
