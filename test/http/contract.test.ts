import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import { consumed } from '../support/consumer.js';
import { ContractHosts, PLATFORMS, type ContractHost, type Platform } from '../support/contract-hosts.js';
import { Device } from '../support/device.js';
import {
  goldenText,
  readGoldenFiles,
  writeGoldenFile,
  type GoldenFile,
  type GoldenRequest,
  type GoldenResponse,
} from '../support/golden-file.js';
import { Bindings } from '../support/golden.js';
import { fromJson, send, toJson, type Json, type WireAnswer } from '../support/wire.js';

/**
 * The HTTP contract, exchange by exchange: every file of `test/contract/` on both platforms, in a plain host and in one
 * that alters whatever a host can. `UPDATE_GOLDEN=1` writes the answers of the plain Express host into the files.
 */
const UPDATES = process.env['UPDATE_GOLDEN'] === '1';
const CONTRACT_HEADERS = ['content-type', 'allow', 'retry-after'] as const;

const files = new Map(readGoldenFiles());
const hosts = new ContractHosts();

afterAll(() => hosts.close());

describe.each(Object.keys(PLATFORMS) as Platform[])('%s', (platform) => {
  for (const [name, { title, scenarios = [], hosts: kinds = ['working'] }] of files) {
    const numbers = scenarios.map((scenario) => `[scenario ${scenario}]`).join(' ');
    for (const kind of kinds) {
      it(`${name} (host ${kind}): ${title} ${numbers}`.trimEnd(), async () => {
        const file = files.get(name);
        if (!file) throw new Error(`${name} is gone`);
        const host = await hosts.start(platform, kind);
        const actual = await run(file, host);
        if (UPDATES && platform === 'Express') {
          files.set(name, actual);
          writeGoldenFile(name, actual);
        } else {
          expect(goldenText(actual)).toBe(goldenText(file));
        }
      });
    }
  }

  if (!platform.includes('altered')) return;

  it('the host does alter its own routes', async () => {
    const { url } = await hosts.start(platform);
    expect(await send(`${url}/v1/healthz`)).toMatchObject({ status: 200, json: { data: { status: 'ok' } } });
    expect(await send(`${url}/v1/healthz`, { method: 'POST', body: { blocked: true } })).toMatchObject({
      status: 404,
      json: { teapot: true },
    });
  });
});

/** The file as it would be if what was answered were expected. */
async function run(file: GoldenFile, host: ContractHost): Promise<GoldenFile> {
  const device = new Device(host.url, `user-${randomUUID()}`, randomUUID(), { appVersion: '1.2.0' });
  const bindings = new Bindings();
  bindings.bind('text', 'user', device.userId);
  bindings.bind('uuid', 'client', device.clientId);
  await bindSchema(device, bindings);
  const steps: GoldenFile['steps'][number][] = [];
  for (const step of file.steps) {
    if ('request' in step) {
      const answer = await ask(host, step.request, bindings);
      steps.push({ request: step.request, response: responseOf(answer, step.response, bindings) });
      continue;
    }
    if ('sql' in step) {
      await host.database.query(bindings.fillText(step.sql));
      await consumed(host.database);
    } else await given(step.given, device, host, bindings);
    steps.push(step);
  }
  return { ...file, steps };
}

/** Hosts that answer nothing of it don't look at it either. */
async function bindSchema(device: Device, bindings: Bindings): Promise<void> {
  const { status, json } = await device.send('schema');
  const known = { schema_version: 1, schema_hash: 'f'.repeat(64), ...(status === 200 && (json as object)) };
  bindings.bind('int', 'schema_version', known.schema_version);
  bindings.bind('hash', 'schema_hash', known.schema_hash);
}

async function given(what: string, device: Device, host: ContractHost, bindings: Bindings): Promise<void> {
  await device.register();
  if (what === 'a registered device') return;
  expect(what).toBe('a device that is up to date');
  await consumed(host.database);
  await device.snapshot();
  bindings.bind('int', 'checkpoint', device.checkpoint);
}

function ask(host: ContractHost, request: GoldenRequest, bindings: Bindings): Promise<WireAnswer> {
  const [method = '', path = ''] = request.line.split(' ');
  const headers = Object.entries({ 'X-User-ID': '<text:user>', ...request.headers }).flatMap(
    ([key, value]) => (value === null ? [] : [[key, bindings.fillText(value)] as const]),
  );
  const body =
    request.raw === undefined
      ? request.body === undefined
        ? undefined
        : toJson(bindings.fill(request.body))
      : bindings.fillText(request.raw);
  return send(`${host.url}${bindings.fillText(path)}`, {
    method,
    headers: Object.fromEntries(headers),
    ...(body !== undefined && { body }),
  });
}

function responseOf(
  { status, headers, text }: WireAnswer,
  expected: Partial<GoldenResponse>,
  bindings: Bindings,
): GoldenResponse {
  const fixed = CONTRACT_HEADERS.flatMap((name) => {
    const value = headers.get(name);
    return value === null ? [] : [[name, expected.headers?.[name] === '<any>' ? '<any>' : value] as const];
  });
  return {
    status,
    headers: Object.fromEntries(fixed),
    body: expected.body === '<any>' ? '<any>' : bindings.generalise(bodyOf(text), expected.body),
  };
}

/** Anything but an object with a newline after it is told as the text that it is. */
function bodyOf(text: string): Json {
  return text.startsWith('{') && text.endsWith('}\n') ? fromJson(text) : text;
}
