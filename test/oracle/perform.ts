import { DatabaseError } from 'pg';
import { DEVICE_WORK } from './device-operations.js';
import {
  CLIENT_KINDS,
  type AdminKind,
  type DeviceKind,
  type Operation,
  type WriterKind,
} from './operation.js';
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
  let isDisturbed = world.isDisturbed();
  try {
    if (kind in DEVICE_WORK) {
      const phone = at(world.phones, a);
      await phone.inTurn(async () => {
        const open = phone.hasSchema || (await phone.trySync());
        if (open) await DEVICE_WORK[kind as DeviceKind](world, phone, operation);
      });
    } else if (kind in CLIENT_KINDS) {
      await world.fleet?.perform(operation);
    } else {
      const work = HOST_WORK[kind as WriterKind | AdminKind];
      await work(world, (sql, ...values) => world.database.query(sql, values), operation);
    }
  } catch (error) {
    isDisturbed ||= world.isDisturbed();
    if (!passing(error, isDisturbed) && !(await isDeadlock(world, kind, error)))
      throw new Error(`${kind} failed`, { cause: error });
    world.did('failed');
  }
}

/** What locks several rows one after the other may meet another one that does. */
const LOCKS_SEVERAL: ReadonlySet<string> = new Set<WriterKind | AdminKind>([
  'update',
  'updateSilently',
  'softDelete',
  'undelete',
  'hardDelete',
  'rekey',
  'bulk',
  'manyAtOnce',
  'pileUp',
  'longTransaction',
  'truncate',
  'addColumn',
  'dropColumn',
  'renameColumn',
]);

/** Whether the host's own code ran into itself, or into sync where nobody could help it, which is counted. */
async function isDeadlock(world: World, kind: string, error: unknown): Promise<boolean> {
  if (!(error instanceof DatabaseError) || error.code !== DEADLOCK) return false;
  const pids = [...(error.detail ?? '').matchAll(/[Pp]rocess (\d+)/g)].map(([, pid]) => Number(pid));
  if (!(await world.isSync(pids))) return true;
  world.did('deadlockedBySync');
  return LOCKS_SEVERAL.has(kind);
}

const DEADLOCK = '40P01';
