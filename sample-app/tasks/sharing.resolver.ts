import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { bucketOf, JoinResolver, OwnershipResolver } from 'nestjs-synchro';
import type { ResolveRow } from 'nestjs-synchro';
import { DataSource } from 'typeorm';

interface Share {
  readonly task_id: string;
  readonly shared_with_user_id: string;
}

/** Adds to the default rule that a task is also in the buckets of the users it is shared with. */
@Injectable()
export class SharingResolver extends OwnershipResolver {
  constructor(
    private readonly joinResolver: JoinResolver,
    @InjectDataSource() private readonly dataSource: DataSource,
  ) {
    super();
  }

  override async resolveOwners(
    table: string,
    rows: readonly ResolveRow[],
  ): Promise<readonly (readonly string[])[]> {
    const owners = await this.joinResolver.resolveOwners(table, rows);
    if (table !== 'tasks') return owners;

    const shared = await this.sharedWith(rows.map(({ recordId }) => recordId));
    return rows.map(({ recordId }, index) => [...(owners[index] ?? []), ...(shared.get(recordId) ?? [])]);
  }

  /** The users' buckets of each shared task, in one query however many tasks there are. */
  private async sharedWith(taskIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const shares: readonly Share[] = await this.dataSource.query(
      'SELECT task_id, shared_with_user_id FROM task_shares WHERE task_id = ANY($1::uuid[])',
      [taskIds],
    );
    const buckets = new Map<string, string[]>();
    for (const { task_id: taskId, shared_with_user_id: userId } of shares) {
      buckets.set(taskId, [...(buckets.get(taskId) ?? []), bucketOf('user:', userId)]);
    }
    return buckets;
  }
}
