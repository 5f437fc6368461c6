import { Controller } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  ApiBearerAuth,
  ApiExcludeController,
  ApiTags,
  DocumentBuilder,
  SwaggerModule,
  type OpenAPIObject,
} from '@nestjs/swagger';
import { LosslessNumber } from 'lossless-json';
import { SyncController, SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../lib/http/openapi/json-schema.js';
import { OPERATIONS, type OperationName } from '../../lib/http/openapi/operations.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { readGoldenFiles } from '../support/golden-file.js';
import { startWalApp, SyncedRow, type WalAppOptions } from '../support/wal-app.js';

@Entity('notes')
@SyncTable({ ownerColumn: 'user_id' })
class Note extends SyncedRow {
  @Column('text')
  user_id!: string;
}

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  await database.query(
    `CREATE TABLE notes (id uuid PRIMARY KEY, user_id text, updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz)`,
  );
});
afterAll(() => database.drop());

async function documentOf(options: WalAppOptions): Promise<OpenAPIObject> {
  const running = await startWalApp(database, [Note], { replication: false, ...options });
  try {
    return SwaggerModule.createDocument(running.app, new DocumentBuilder().setTitle('host').build());
  } finally {
    await running.close();
  }
}

function operationsOf({ paths }: OpenAPIObject): readonly string[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
}

const SIX = [
  'POST /sync/register',
  'POST /sync/pull',
  'POST /sync/push',
  'POST /sync/snapshot',
  'GET /sync/tables',
  'GET /sync/schema',
];

@Controller('mobile/sync')
class MobileSyncController extends SyncController {}

describe("the document of a host's Swagger", () => {
  it.each([
    ['Express', {}],
    ['Fastify', { adapter: new FastifyAdapter() }],
  ])('has six operations on %s, with schemas [W-HOST-81]', async (_, options) => {
    const document = await documentOf(options);
    expect(operationsOf(document).toSorted()).toEqual(SIX.toSorted());
    const operations = Object.entries(document.paths).map(
      ([path, { get, post }]) => [path, get ?? post] as const,
    );
    expect(operations.map(([, operation]) => operation?.operationId)).toEqual(
      operations.map(([path]) => `sync${path.charAt(6).toUpperCase()}${path.slice(7)}`),
    );
    for (const [path, operation] of operations) {
      const described = OPERATIONS[path.slice('/sync/'.length) as OperationName];
      expect(operation).toMatchObject({
        summary: described.summary,
        tags: ['sync'],
        parameters: [],
        responses: {
          200: { content: { 'application/json': { schema: described.answer } } },
          401: {},
          503: {},
        },
      });
      expect(operation?.requestBody).toEqual(
        described.request === null
          ? undefined
          : { required: true, content: { 'application/json': { schema: described.request } } },
      );
    }
  });

  it('takes what the host decorates the routes with, and leaves them out when it says so', async () => {
    const decorated = await documentOf({ decorators: [ApiTags('devices'), ApiBearerAuth()] });
    expect(decorated.paths['/sync/pull']?.post).toMatchObject({
      tags: ['devices'],
      security: [{ bearer: [] }],
    });
    expect(operationsOf(await documentOf({ decorators: [ApiExcludeController()] }))).toEqual([]);
  });

  it('has those of a controller of the host’s, too', async () => {
    const document = await documentOf({
      controller: false,
      controllers: [MobileSyncController],
      isGlobal: true,
    });
    expect(operationsOf(document).toSorted()).toEqual(
      SIX.map((each) => each.replace('/', '/mobile/')).toSorted(),
    );
  });
});

describe('the schemas of the document', () => {
  it.each(exchanges())('say what is in the golden file %s, step %i', (file, _, name, request, answer) => {
    const operation = OPERATIONS[name];
    expect(mismatches(operation.answer, answer)).toEqual([]);
    if (operation.request === null || MALFORMED.test(file)) return;
    expect(mismatches(operation.request, request)).toEqual([]);
  });

  it('refuse what is not so', () => {
    const pull = { changes: [{ id: 1 }], deletes: null, checkpoint: 'x', has_more: true, more: 1 };
    expect(mismatches(OPERATIONS.pull.answer, pull)).toEqual([
      ' lacks schema_version',
      ' lacks schema_hash',
      '.changes.0 lacks table_name',
      '.changes.0 lacks data',
      '.changes.0 lacks updated_at',
      '.changes.0.id is no string',
      '.deletes is no array',
      '.checkpoint is no integer',
      '.more is not described',
    ]);
  });
});

type Exchange = readonly [file: string, step: number, name: OperationName, request: unknown, answer: unknown];

/** Files with requests that no device should make. */
const MALFORMED = /leniency|malformed|terminal/;

/** Those that succeeded. */
function exchanges(): readonly Exchange[] {
  return [...readGoldenFiles()].flatMap(([file, { steps }]) =>
    steps.flatMap((step, index): readonly Exchange[] => {
      if (!('request' in step) || step.response.status !== 200 || 'raw' in step.request) return [];
      const name = /\/sync\/(\w+)/.exec(step.request.line)?.[1] ?? '';
      if (!(name in OPERATIONS)) return [];
      const [request, answer] = [step.request.body, step.response.body].map(plain);
      return [[file, index, name as OperationName, request, answer]];
    }),
  );
}

/** Numbers of golden files keep their digits. */
function plain(json: unknown): unknown {
  return JSON.parse(JSON.stringify(json ?? null, withNumbers));
}

function withNumbers(_: string, value: unknown): unknown {
  return value instanceof LosslessNumber ? Number(value) : value;
}

/** Where a value is not as its schema says. Placeholders of golden files stand for values of a type. */
function mismatches(schema: JsonSchema, value: unknown, at = ''): readonly string[] {
  if (value === '<any>' || (value === null && schema.nullable === true)) return [];
  const { type = 'any', items, properties, required = [] } = schema;
  if (type === 'any') return [];
  if (!isOf(type, value)) return [`${at} is no ${type}`];
  if (schema.enum && !schema.enum.includes(String(value))) return [`${at} is none of ${schema.enum.join()}`];
  if (Array.isArray(value))
    return value.flatMap((each, index) => mismatches(items ?? {}, each, `${at}.${index}`));
  if (!properties || typeof value !== 'object' || value === null) return [];
  return [
    ...required.filter((key) => !(key in value)).map((key) => `${at} lacks ${key}`),
    ...Object.entries(value).flatMap(([key, each]) => {
      const property = properties[key];
      return property ? mismatches(property, each, `${at}.${key}`) : [`${at}.${key} is not described`];
    }),
  ];
}

function isOf(type: NonNullable<JsonSchema['type']>, value: unknown): boolean {
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value) || String(value).startsWith('<int');
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === type;
}
