import { differences } from './content.js';
import type { Evidence } from './evidence.js';
import type { Facts } from './history.js';
import { rowKey } from './ids.js';
import type { Holder } from './holder.js';
import { Phone } from './phone.js';
import { keyOf } from './promises.js';
import { violation, type Violation } from './violation.js';
import { parentOf, TABLE_NAMES, type TableName } from './world/tables.js';

/** Compares devices with the tables, once everything has come to rest. */
export class Convergence {
  constructor(private readonly evidence: Evidence) {}

  /**
   * What keeps a device from holding exactly what its user may see, as the tables have it.
   * @param labels of the enum, as they are now
   */
  divergence(
    device: Holder,
    parked: ReadonlySet<string>,
    labels: ReadonlySet<unknown>,
  ): readonly Violation[] {
    const phone = device instanceof Phone ? device : undefined;
    return TABLE_NAMES.flatMap((table) => {
      const shown = device.rows(table);
      const expected = new Map(
        [...this.evidence.history.current(table)]
          .filter((row) => row['deleted_at'] === null && this.readsNow(device.userId, table, row))
          .map((row) => [String(row['id']), row]),
      );
      const wrong = new Map<string, string>();
      for (const [id, row] of shown) {
        if (!expected.has(id) && !this.mayStay(device, table, id, row, parked))
          wrong.set(id, 'is on the device, and should not be');
      }
      for (const [id, row] of expected) {
        device.left.delete(rowKey(table, id));
        const local = shown.get(id);
        const columns = local ? differences(Object.keys(row), local, row) : ['it is not there'];
        const mood = local?.['mood'];
        if (typeof mood === 'string' && !labels.has(mood)) wrong.set(id, `has the former label ${mood}`);
        if (columns.length > 0) wrong.set(id, `differs on the device: ${columns.join(', ')}`);
      }
      return [...wrong].map(([id, what]) =>
        violation('divergence', table, id, `${nameOf(device)}: ${what}`, phone),
      );
    });
  }

  /** Rows that the device has made itself, and that no table has: their creates were refused, or wait. */
  private mayStay(
    device: Holder,
    table: TableName,
    id: string,
    row: Facts,
    parked: ReadonlySet<string>,
  ): boolean {
    // Its create was refused, and the SDKs leave such rows as they are.
    if (device.left.has(rowKey(table, id))) return true;
    return parked.has(keyOf(device.userId, table, id)) && this.isParentMissing(device.userId, table, row);
  }

  private isParentMissing(user: string, table: TableName, row: Facts): boolean {
    const parent = parentOf(table, row);
    return parent !== undefined && !this.evidence.ownsNow(user, parent.table, parent.id);
  }

  private readsNow(user: string, table: TableName, row: Facts): boolean {
    const last = this.evidence.history.of(table, String(row['id'])).at(-1);
    return (
      last !== undefined && this.evidence.exact.readable(user, table, last).some(({ to }) => to === Infinity)
    );
  }
}

function nameOf(device: Holder): string {
  return device instanceof Phone ? device.userId : (device.name ?? device.userId);
}
