import { Injectable } from '@nestjs/common';
import { WritePolicy } from 'nestjs-synchro';
import type { WriteAnswer, WriteQuestion } from 'nestjs-synchro';

/** Everybody who sees a task writes its comments: a policy is never asked about what the user does not see. */
@Injectable()
export class CommentWritePolicy extends WritePolicy {
  override decide({ changes }: WriteQuestion): readonly WriteAnswer[] {
    return changes.map(() => true);
  }
}
