import { describe, expect, it } from 'vitest';
import { discontinuity, type SlotState, type SystemIdentity } from '../../../lib/replication/slot/slot.js';
import type { WalPosition } from '../../../lib/store/changelog/wal-position.js';

const POSITION: WalPosition = {
  slotName: 'slot',
  confirmedLsn: 1_000n,
  lastSeq: 10n,
  epochSeq: 0n,
  systemId: 'system',
  timeline: 1,
};
const SLOT: SlotState = { active: false, lost: null, confirmedFlush: 1_000n };
const SYSTEM: SystemIdentity = { systemId: 'system', timeline: 1 };

function reason(
  change: {
    position?: Partial<WalPosition> | null;
    slot?: Partial<SlotState> | null;
    system?: Partial<SystemIdentity>;
  } = {},
): string | null {
  return discontinuity(
    'slot',
    change.position === null ? null : { ...POSITION, ...change.position },
    change.slot === null ? null : { ...SLOT, ...change.slot },
    { ...SYSTEM, ...change.system },
  );
}

describe('slot and stored position', () => {
  it('belong together when the slot is at the position or behind it', () => {
    expect(reason()).toBeNull();
    expect(reason({ slot: { confirmedFlush: 999n } })).toBeNull();
  });

  it.each([
    ['there is no position', { position: null }, /first start/],
    ['the slot had another name', { position: { slotName: 'other' } }, /called other/],
    ['there is no slot', { slot: null }, /gone/],
    ['the slot was invalidated', { slot: { lost: 'wal_removed' } }, /invalidated: wal_removed/],
    ['the system is another one', { system: { systemId: 'other' } }, /another one/],
    ['the position is of an unknown system', { position: { systemId: null } }, /recreated/],
    ['the server was promoted', { system: { timeline: 2 } }, /promoted/],
    ['the slot is ahead', { slot: { confirmedFlush: 1_001n } }, /ahead of the stored position 0\/3E8/],
  ])('do not belong together when %s [W-WAL-17]', (_, change, expected) => {
    expect(reason(change)).toMatch(expected);
  });
});
