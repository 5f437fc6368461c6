import { describe, expect, it } from 'vitest';
import { History } from '../../../test/oracle/history.js';
import type { Verdict } from '../../src/records/verdict.js';
import { Ledger, type Typed } from './ledger.js';
import { gate } from '../support/network.js';

const BOARD: Typed = { table: 'boards', id: 'b', operation: 'create', title: 'board', above: null };
const CARD: Typed = { table: 'cards', id: 'c', operation: 'create', title: 'card', above: 'b' };
const REMOVAL: Typed = { ...BOARD, operation: 'delete', title: null };

/** A fleet's user, and what they type. */
class User {
  readonly ledger = new Ledger('ann');

  async type(edit: Typed, status: Verdict['status'] = 'undecided'): Promise<void> {
    await this.ledger.type([edit], async () => [{ id: edit.id, verdict: Promise.resolve({ status }) }]);
    await Promise.resolve();
  }

  /** The losses that a ledger reports where the server has no row and the device keeps no edit. */
  lost(): readonly string[] {
    return this.ledger.judge(new History(), [], new Set()).map(({ what }) => what);
  }
}

describe('the ledger of a device', () => {
  it('says what was typed and is nowhere, with what happened to it', async () => {
    const user = new User();
    await user.type(BOARD, 'applied');
    user.ledger.gone([]);
    expect(user.lost()).toEqual([
      expect.stringMatching(
        /"board", whose verdict is applied: it is nowhere\n.*create "board": stored\n.*"applied".*\n.*emptied/,
      ),
    ]);
  });

  it('takes a record that was taken back with the one above it for no loss, and only that', async () => {
    const user = new User();
    await user.type(BOARD);
    await user.type(CARD);
    expect(user.lost()).toHaveLength(2);
    await user.type(REMOVAL);
    expect(user.lost()).toEqual([]);
    await user.type({ ...CARD, id: 'd', title: 'later' });
    expect(user.lost()).toHaveLength(1);
  });

  it('takes either of two edits that tabs make at the same time for the later one', async () => {
    const user = new User();
    const storing = gate();
    const first = user.ledger.type([BOARD], async () => {
      await storing.opened;
      return [{ id: 'b', verdict: Promise.resolve({ status: 'applied' }) }];
    });
    await user.type({ ...BOARD, operation: 'update', title: 'other' }, 'applied');
    storing.open();
    await first;
    expect(user.lost()).toEqual([]);
    await user.type({ ...BOARD, operation: 'update', title: 'last' }, 'applied');
    expect(user.lost()).toHaveLength(1);
  });
});
