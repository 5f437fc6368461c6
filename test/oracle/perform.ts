import { DEVICE_WORK } from './device-operations.js';
import type { AdminKind, DeviceKind, Operation, WriterKind } from './operation.js';
import { passing } from './passing.js';
import { at, type World } from './world.js';
import { ADMIN_WORK, WRITER_WORK } from './writer-operations.js';

const HOST_WORK = { ...WRITER_WORK, ...ADMIN_WORK };

/** Does it, or lets it go on by itself; what goes wrong as things may go wrong is left at that. */
export async function perform(world: World, operation: Operation): Promise<void> {
  const done = doIt(world, operation);
  if (operation.meanwhile) world.meanwhile(done);
  else await done;
}

async function doIt(world: World, operation: Operation): Promise<void> {
  const { kind, a } = operation;
  try {
    if (kind in DEVICE_WORK) {
      const phone = at(world.phones, a);
      await phone.inTurn(async () => {
        const open = phone.hasSchema || (await phone.trySync());
        if (open) await DEVICE_WORK[kind as DeviceKind](world, phone, operation);
      });
    } else {
      const work = HOST_WORK[kind as WriterKind | AdminKind];
      await work(world, (sql, ...values) => world.database.query(sql, values), operation);
    }
  } catch (error) {
    if (!passing(error)) throw error;
    world.did('failed');
  }
}
