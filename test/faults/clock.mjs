/**
 * Preloaded (`NODE_OPTIONS=--import …`) into a process whose clock jumps: `Date.now` and `new Date` are off by the
 * milliseconds in the file of CLOCK_FILE, which is read again at each SIGUSR2. Timers go on as they were.
 */
import { readFileSync, writeSync } from 'node:fs';

const RealDate = Date;
let offset = 0;

globalThis.Date = class Date extends RealDate {
  constructor(...values) {
    if (values.length === 0) super(RealDate.now() + offset);
    else super(...values);
  }

  static now() {
    return RealDate.now() + offset;
  }
};

process.on('SIGUSR2', () => {
  offset = Number(readFileSync(process.env.CLOCK_FILE, 'utf8'));
  writeSync(1, `clock: ${offset}\n`);
});
