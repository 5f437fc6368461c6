import { expect, it } from 'vitest';
import { replicationName } from '../../lib/settings/replication-name.js';

it('slot and publication are called after the database, so that two on one server do not meet [W-HOST-82]', () => {
  expect(replicationName('shop')).toBe('synchro_shop');
  const long = 'x'.repeat(63);
  const odd = ['Shop', 'my-shop', 'my_shop!', 'MY_SHOP!', 'été', long, `${long.slice(1)}y`];
  const names = odd.map(replicationName);
  for (const name of names) expect(name).toMatch(/^synchro_[a-z0-9_]{1,55}$/);
  expect(new Set([...names, replicationName('my_shop'), replicationName('shop')]).size).toBe(odd.length + 2);
});
