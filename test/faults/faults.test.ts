import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FAULTS } from './kinds.js';
import { Load } from './load.js';
import { measureRecovery } from './recovery.js';
import { Site } from './site.js';
import { compareLog } from '../support/audit.js';
import { Random } from '../support/random.js';
import { storedPosition } from '../support/wal-app.js';

const SEED = 20261123;
const random = new Random(SEED);

describe(`under load, with faults one after the other (seed ${SEED}),`, () => {
  let site: Site;
  let load: Load;

  beforeAll(async () => {
    site = await Site.start();
    load = await Load.start(site, SEED);
  }, 300_000);
  afterAll(async () => {
    load?.stop();
    await site?.close();
  });

  async function survive(name: string): Promise<void> {
    await FAULTS.find((fault) => fault.name === name)?.inject(site, random);
    const { push, pull } = await measureRecovery(site);
    console.log(`${name}: push after ${push} ms, pull after ${pull} ms`);
  }

  it.each(keeping('log'))('%s: sync recovers by itself', survive, 300_000);

  it('every change reached every bucket exactly once, and no work was lost', async () => {
    await load.rest();
    expect(await compareLog(site.database)).toMatchObject({ different: [], impossible: [] });
    await load.expectConverged();
    for (const { device, restarts } of load.users)
      expect({ reasons: device.snapshotReasons, restarts }).toEqual({ reasons: [], restarts: 0 });
    expect((await storedPosition(site.database)).epoch_seq).toBe('0');
    load.resume();
  }, 300_000);

  it.each(keeping('epoch'))('%s: sync recovers by itself', survive, 300_000);

  it('devices that lost their history took a snapshot, and lost nothing that was typed', async () => {
    await load.rest();
    await load.expectConverged();
    for (const { device } of load.users)
      expect(new Set(device.snapshotReasons)).toEqual(new Set(['history_unavailable']));
  }, 300_000);
});

function keeping(what: 'log' | 'epoch'): readonly string[] {
  return FAULTS.filter(({ keeps }) => keeps === what).map(({ name }) => name);
}
