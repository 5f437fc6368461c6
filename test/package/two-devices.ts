import { SyncDevice, type DeviceRow } from 'nestjs-synchro/testing';
import { expect } from 'vitest';
import { eventually } from '../support/wait.js';

/** How a test writes and reads the rows of one table. */
export interface TableOnTwoDevices {
  readonly table: string;
  /** The columns of a new row. */
  readonly data: DeviceRow;
  /** A column of it, with three further values. */
  readonly column: string;
  readonly values: readonly [later: unknown, won: unknown, lost: unknown];
}

/** Two devices of one user, as two people of a team have them; over HTTP. */
export class TwoDevices {
  readonly phone: SyncDevice;
  readonly laptop: SyncDevice;

  constructor(target: string, headers: Readonly<Record<string, string>>) {
    this.phone = new SyncDevice({ target, headers });
    this.laptop = new SyncDevice({ target, headers });
  }

  async start(): Promise<void> {
    await this.phone.start();
    await this.laptop.start();
  }

  /** Creates a row on the phone. @returns its id, once the laptop has it */
  async create({ table, data }: Pick<TableOnTwoDevices, 'table' | 'data'>): Promise<string> {
    const made = await this.phone.create(table, data);
    expect(made).toMatchObject({ status: 'applied' });
    await this.arrives(this.laptop, table, made.id, data);
    await this.arrives(this.phone, table, made.id, data);
    return made.id;
  }

  /** An update of either device's, a conflict that the server wins, and a delete. */
  async live(id: string, { table, column, values: [later, won, lost] }: TableOnTwoDevices): Promise<void> {
    const { phone, laptop } = this;
    expect(await laptop.update(table, id, { [column]: later })).toMatchObject({ status: 'applied' });
    await this.arrives(phone, table, id, { [column]: later });

    // Both start from the same version; the laptop's edit is older, and comes later.
    expect(await phone.update(table, id, { [column]: won })).toMatchObject({ status: 'applied' });
    const edit = { table, id, operation: 'update', data: { [column]: lost }, at: new Date(0) } as const;
    const [verdict] = await laptop.push([edit]);
    expect(verdict).toMatchObject({ status: 'conflict', reason_code: 'server_won_conflict' });
    await this.arrives(laptop, table, id, { [column]: won });

    expect(await laptop.delete(table, id)).toMatchObject({ status: 'applied' });
    await eventually(async () => {
      await phone.pull();
      return !phone.rows(table).has(id);
    });
  }

  private async arrives(device: SyncDevice, table: string, id: string, data: DeviceRow): Promise<void> {
    await eventually(async () => {
      await device.pull();
      expect(device.rows(table).get(id)).toMatchObject(data);
    });
  }
}
