import { SyncError } from '../../src/index.js';
import { gate } from '../support/network.js';

/** What is to become of one process or tab of an app. Its store and its network obey it. */
export class Fate {
  isDead = false;
  private death: { writes: number; readonly isStored: boolean } | null = null;
  private fullWrites = 0;
  private ice: ReturnType<typeof gate> | null = null;

  constructor(private readonly onDeath: () => void) {}

  get isFrozen(): boolean {
    return this.ice !== null;
  }

  /** Nothing of the process has any effect from now on. */
  kill(): void {
    if (this.isDead) return;
    this.isDead = true;
    this.thaw();
    this.onDeath();
  }

  /** Dies with one of its next writes, which is the last one that is stored, or the first one that is not. */
  dieAtWrite(writes: number, isStored: boolean): void {
    this.death = { writes, isStored };
  }

  /** The next writes find no space. */
  fill(writes: number): void {
    this.fullWrites = writes;
  }

  freeze(): void {
    this.ice = gate();
  }

  thaw(): void {
    this.ice?.open();
    this.ice = null;
  }

  /** No fault from now on. */
  spare(): void {
    this.death = null;
    this.fullWrites = 0;
    this.thaw();
  }

  /** Waits while the process is frozen. @throws SyncError `closed` once it is dead */
  async awake(): Promise<void> {
    while (this.ice) await this.ice.opened;
    if (this.isDead) throw dead();
  }

  /** Called within a transaction that writes. @throws what keeps it from being stored */
  beforeWrite(): void {
    if (this.isDead) throw dead();
    if (this.fullWrites > 0) {
      this.fullWrites -= 1;
      throw new DOMException('no space', 'QuotaExceededError');
    }
    if (!this.death) return;
    this.death.writes -= 1;
    if (this.death.writes > 0 || this.death.isStored) return;
    this.kill();
    throw dead();
  }

  /** Called once a transaction is stored. @throws SyncError `closed` when nobody is there any more to hear of it */
  afterWrite(): void {
    if (this.death && this.death.writes <= 0) this.kill();
    if (this.isDead) throw dead();
  }
}

function dead(): SyncError {
  return new SyncError('closed', 'the process is dead');
}
