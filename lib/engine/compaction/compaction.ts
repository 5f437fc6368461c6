import { Injectable } from '@nestjs/common';
import { HookRunner } from '../../hooks/hook-runner.js';
import type { CompactionResult } from '../../settings/compaction-result.js';
import { Compactor } from './compactor.js';

/** Removes history that no device needs any more, and calls the hooks. */
@Injectable()
export class Compaction {
  constructor(
    private readonly compactor: Compactor,
    private readonly hooks: HookRunner,
  ) {}

  /** @throws what `Compactor.run` throws */
  async run(options: { readonly wait: boolean }): Promise<CompactionResult | null> {
    const result = await this.compactor.run(options);
    if (result !== null) await this.hooks.inform('onCompaction', { result });
    return result;
  }
}
