import { Injectable } from '@nestjs/common';
import { ConflictResolver } from './conflict-resolver.js';
import { OwnershipResolver } from './ownership-resolver.js';
import { WritePolicy } from './write-policy.js';

/** The rules that a push goes by, the host's or ours. */
@Injectable()
export class PushRules {
  constructor(
    readonly conflicts: ConflictResolver,
    readonly ownership: OwnershipResolver,
    readonly policy: WritePolicy,
  ) {}
}
