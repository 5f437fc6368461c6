import { describe, expect, it } from 'vitest';
import { checkVersion } from '../lib/engine/version-gate.js';

/** `ok`, or the code of the refusal. */
function answer(version: string, minimum: string | undefined): unknown {
  try {
    checkVersion(version, minimum);
    return 'ok';
  } catch (error) {
    return (error as { code?: string }).code ?? 'no code';
  }
}

describe('the version of an app', () => {
  it.each([
    ['49', '1.2.3', '1.2.3'],
    ['50', 'v2.0.1', '2.0.1'],
    ['51', '1.0.0-beta', '1.0.0'],
    ['52', '3.2.1+build.42', '3.2.1'],
    ['53', 'v0.9.1-rc.1', '0.9.1'],
    ['54', '0.0.0', '0.0.0'],
  ])('[scenario %s] %s is read as %s, with an optional v and without what comes after', (_, text, plain) => {
    const [major, minor, patch] = plain.split('.').map(Number);
    expect(answer(text, plain)).toBe('ok');
    expect(answer(text, `${major}.${minor}.${(patch ?? 0) + 1}`)).toBe('upgrade_required');
  });

  it.each([
    ['55', '1.2'],
    ['56', 'a.2.3'],
    ['57', '1.b.3'],
    ['58', '1.2.c'],
  ])('[scenario %s] %s is none', (_, text) => {
    expect(answer(text, '1.0.0')).toBe('bad_request');
  });

  it('[scenario 59] that is empty says nothing, and passes', () => {
    expect(answer('', '1.0.0')).toBe('ok');
  });

  it.each([
    ['60, 71', '0.9.9', '1.0.0', 'upgrade_required'],
    ['61, 72', '1.1.9', '1.2.0', 'upgrade_required'],
    ['62, 73', '1.2.2', '1.2.3', 'upgrade_required'],
    ['63, 68', '2.0.0', '1.9.9', 'ok'],
    ['64, 69', '1.3.0', '1.2.9', 'ok'],
    ['65, 70', '1.2.4', '1.2.3', 'ok'],
    ['66, 67', '1.2.3', '1.2.3', 'ok'],
    ['74', 'v1.2.2', '1.2.3', 'upgrade_required'],
  ])('[scenarios %s] %s against %s: %s', (_, version, minimum, expected) => {
    expect(answer(version, minimum)).toBe(expected);
  });

  it('is not asked for without a minimum', () => {
    for (const minimum of [undefined, '']) expect(answer('0.0.1', minimum)).toBe('ok');
  });

  it('[scenarios 75, 76] that is none, or a minimum that is none, is another error than a low version', () => {
    expect(answer('nonsense', '1.0.0')).toBe('bad_request');
    expect(answer('1.0.0', 'nonsense')).toBe('no code');
  });
});
