import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'lossless-json';
import { fromJson, type Json } from './wire.js';

/** One file of `test/contract/`: what a device says and is answered, in this order. */
export interface GoldenFile {
  readonly title: string;
  /** Numbers of the reference's scenarios that it covers. */
  readonly scenarios?: readonly number[];
  /** What kinds of host answer like this. Default: one that works. */
  readonly hosts?: readonly string[];
  readonly steps: readonly Step[];
}

export type Step =
  | { readonly given: string }
  /** Run by the host's own code, past sync. */
  | { readonly sql: string }
  | { readonly request: GoldenRequest; readonly response: GoldenResponse };

export interface GoldenRequest {
  /** `GET /sync/schema` */
  readonly line: string;
  /** Beside `X-User-ID` and `Content-Type: application/json`; null leaves one of them out. */
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly body?: Json;
  /** In place of `body`: the bytes as they are. */
  readonly raw?: string;
}

export interface GoldenResponse {
  readonly status: number;
  /** Those that the contract fixes: a missing one must not be there. */
  readonly headers: Readonly<Record<string, string>>;
  /** `""`: nothing at all. Objects and arrays in this order, numbers with these digits. */
  readonly body: Json;
}

const FOLDER = fileURLToPath(new URL('../contract/', import.meta.url));

/** All of them by name, however deep; something else in the folder is an error. */
export function readGoldenFiles(): ReadonlyMap<string, GoldenFile> {
  const names = readdirSync(FOLDER, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(FOLDER.length))
    .toSorted();
  return new Map(names.map((name) => [name, read(name)]));
}

/** Written again with what was answered. */
export function writeGoldenFile(name: string, file: GoldenFile): void {
  writeFileSync(join(FOLDER, name), `${goldenText(file)}\n`);
}

export function goldenText(file: GoldenFile): string {
  return stringify(file, null, 2) ?? '';
}

const FILE_KEYS = new Set(['title', 'scenarios', 'hosts', 'steps']);
const STEP_KEYS = new Set(['given', 'sql', 'request', 'response', 'line', 'headers', 'body', 'raw']);

/** A misspelt key would be an expectation that nothing looks at. */
function read(name: string): GoldenFile {
  const file = fromJson(readFileSync(join(FOLDER, name), 'utf8')) as unknown as GoldenFile;
  const unread = [
    ...Object.keys(file).filter((key) => !FILE_KEYS.has(key)),
    ...file.steps
      .flatMap((step) => [...Object.keys(step), ...('request' in step ? Object.keys(step.request) : [])])
      .filter((key) => !STEP_KEYS.has(key)),
  ];
  if (unread.length > 0) throw new Error(`test/contract/${name}: nothing reads ${unread.join(', ')}.`);
  if (file.hosts?.length === 0 || !file.steps.some((step) => 'request' in step)) {
    throw new Error(`test/contract/${name} asks nothing.`);
  }
  return file;
}
