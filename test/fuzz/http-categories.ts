import { gzipSync } from 'node:zlib';
import type { Category } from './body-categories.js';
import { ENDPOINTS, POSTS, render, validDraft, type Endpoint, type FuzzContext } from './draft.js';
import type { Random } from '../support/random.js';
import { http, sliced, type RawRequest } from './raw-request.js';

/** What is wrong is around the body. */
export const HTTP_CATEGORIES = {
  valid,

  methods: (random, context) => {
    const endpoint = random.pick(ENDPOINTS);
    const method = random.pick([
      'GET',
      'POST',
      'PUT',
      'PATCH',
      'DELETE',
      'OPTIONS',
      'HEAD',
      'PROPFIND',
      'TRACE',
      'get',
      'FOO',
    ]);
    const isPlain = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'].includes(method);
    const body = random.below(2) === 0 ? bodyFor(random, context, endpoint) : null;
    return http(context, endpoint, body, { method, strictness: isPlain ? 'contract' : 'protocol' });
  },

  paths: (random, context) => {
    const endpoint = random.pick(ENDPOINTS);
    const path = random.pick([
      `/sync/${endpoint}/`, `/sync/${endpoint}/../`, `/sync/../sync/${endpoint}`, `//sync//${endpoint}`, `/sync/%70ull`,
      `/sync%2f${endpoint}`, `/sync/${endpoint}%00`, `/sync/${endpoint}%2e%2e`, `/sync/%E0%A4%A`, '/sync/%', '/sync',
      `/SYNC/${endpoint.toUpperCase()}`, `/sync/${endpoint}?a=b&a[__proto__]=c`, `/sync/${endpoint}?${'x'.repeat(5_000)}`,
      `/sync/${endpoint}#x`, `/sync/${endpoint};x=1`, '/sync/__proto__', '/sync/constructor', '/sync/.env', '/', '/..',
      `/sync/${'x'.repeat(5_000)}`, `http://other/sync/${endpoint}`, `/sync/${endpoint}/x`, `/sync/\u00e9`, '*', '',
      `/sync/${endpoint}\\..`, `/sync/ ${endpoint}`, `/sync/${'../'.repeat(500)}${endpoint}`, `/sync/${endpoint}?`,
    ]); // prettier-ignore
    const isPath = /^\/[^ \\\u00e9]*$/.test(path);
    const body = bodyFor(random, context, endpoint);
    return http(context, endpoint, body, { path, strictness: isPath ? 'host' : 'protocol' });
  },

  headers: (random, context) => {
    const endpoint = random.pick(ENDPOINTS);
    const long = 'x'.repeat(random.pick([300, 3_000, 7_000, 20_000]));
    const value = random.pick([
      '', ' ', '0', '1.0', '1.0.0', 'v1.2.3-beta+x', '1.2.3.4', '99999999999999999999.0.0', '-1.0.0', '1e5.0.0', 'x', 'é',
      '\xff\xfe', '\u00a0', '\t', 'a\tb', '\x01', '\x00', '\x7f', "'; DROP TABLE tasks; --", '__proto__', '{}', '%00', '../',
      '*', 'null', long, 'gzip', '100-continue', 'websocket', 'close', 'keep-alive, close', '1, 2', '"x"', 'bytes=0-1',
    ]); // prettier-ignore
    const name = random.pick([
      'X-App-Version', 'X-App-Version', 'Accept', 'Accept-Encoding', 'Expect', 'Upgrade', 'Connection', 'Cookie', 'Range',
      'If-None-Match', 'X-Forwarded-For', 'X-HTTP-Method-Override', 'Authorization', '__proto__', 'constructor', 'Origin',
      'X-User-ID', 'Host', 'Retry-After', 'Transfer-Encoding', 'Content-Length', 'x y', '', 'Accept-Language', 'Via',
    ]); // prettier-ignore
    const count = random.pick([1, 1, 2, 50, 500]);
    const headers = Array.from({ length: count }, () => [name, value] as const);
    return http(context, endpoint, bodyFor(random, context, endpoint), { headers, strictness: 'protocol' });
  },

  /** Whoever a header says: nobody whom the app knows. */
  users: (random, context) => {
    const endpoint = random.pick([...ENDPOINTS, 'push', 'register'] as const);
    const victim = random.pick(context.foreignUsers);
    const user = random.pick([
      '', ' ', 'x'.repeat(255), 'x'.repeat(300), 'y'.repeat(2_700), 'z'.repeat(3_000), 'z'.repeat(9_000), noise(random, 2_500), noise(random, 7_000), 'é', '\xe9\xff', 'a\tb',
      "'; DROP TABLE tasks; --", '__proto__', 'constructor', 'null', '0', '%00', '../', '{}', '*', '%', 'global', `${victim},`,
      `${victim}, ${context.user}`, `user:${victim}`, victim.toUpperCase(), `${victim}%`, `'${victim}'`, `${victim}\\`, '"',
      '{"id":"x"}', 'A0000000-0000-4000-8000-00000000000A', '\u0085', 'client:1', "{'a','b'}", '{a,NULL}', '\\x00',
    ]); // prettier-ignore
    const headers = [['X-User-ID', user] as const];
    return http(context, endpoint, bodyFor(random, context, endpoint), { anonymous: true, headers });
  },

  contentTypes: (random, context) => {
    const endpoint = random.pick(POSTS);
    const body = bodyFor(random, context, endpoint) ?? '';
    const contentType = random.pick([
      null, '', 'text/plain', 'application/xml', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded', '*/*',
      'application/json; charset=utf-16', 'application/json; charset=garbage', 'application/json;;;', 'x'.repeat(3_000), 'é',
      'application/octet-stream', 'APPLICATION/JSON', 'application/json, text/html', '\t', 'application/vnd.api+json', '/', 'a/b;c="',
    ]); // prettier-ignore
    return http(context, endpoint, body, { contentType });
  },

  encodings: (random, context) => {
    const endpoint = random.pick(POSTS);
    const plain = Buffer.from(bodyFor(random, context, endpoint) ?? '');
    const encoding = random.pick([
      'gzip',
      'deflate',
      'br',
      'identity',
      'x-gzip',
      'gzip, gzip',
      '',
      'garbage',
      'é',
      '__proto__',
    ]);
    // A little that would be a lot.
    const body = random.pick([
      plain,
      gzipSync(plain),
      gzipSync(Buffer.alloc(5_000_000, 0x20)),
      Buffer.alloc(0),
    ]);
    return http(context, endpoint, body, { headers: [['Content-Encoding', encoding]] });
  },

  chunks: (random, context) => {
    const endpoint = random.pick(POSTS);
    const body = bodyFor(random, context, endpoint) ?? '';
    const head = chunkedHead(context, endpoint);
    const whole = `${head}${chunk(body.slice(0, 40))}${chunk(body.slice(40))}`;
    const damage = random.pick([
      `${whole}0\r\n\r\n`, whole, `${whole}0\r\n`, `${head}zz\r\n${body}\r\n0\r\n\r\n`, `${head}-1\r\n${body}`,
      `${head}ffffffffffffffff\r\n${body}`, `${head}5\r\n${body}\r\n0\r\n\r\n`, `${head}0\r\n\r\n`, head,
      `${head}${chunk(body)}0\r\nTrailer: x\r\n\r\n`, `${head}1;a=${'b'.repeat(20_000)}\r\n{\r\n`,
    ]); // prettier-ignore
    const request = http(context, endpoint, null);
    const parts = [Buffer.from(damage)];
    return {
      ...request,
      parts,
      strictness: 'protocol',
      ending: random.pick(['half-close', 'abort']),
      answers: 0,
    };
  },

  /** Fewer or more bytes than are announced. */
  lengths: (random, context) => {
    const endpoint = random.pick(POSTS);
    const body = bodyFor(random, context, endpoint) ?? '';
    const length = random.pick([
      '0',
      '1',
      '-1',
      'x',
      '',
      '1e3',
      '0x10',
      String(body.length * 2),
      '99999999999999999999',
      '5, 5',
      String(body.length - 1),
    ]);
    const request = http(context, endpoint, body, { length, strictness: 'protocol' });
    return { ...request, ending: random.pick(['half-close', 'abort']), answers: 0 };
  },

  aborted: (random, context) => {
    const request = valid(random, context);
    const [bytes = Buffer.alloc(0)] = request.parts;
    const part = bytes.subarray(0, random.below(2) === 0 ? bytes.length : random.below(bytes.length));
    return { ...request, parts: [part], strictness: 'protocol', ending: 'abort', answers: 0 };
  },

  slow: (random, context) => sliced(valid(random, context), 2 + random.below(8), random.pick([1, 5, 20])),

  /** Requests right behind each other: a bad one must not spoil, or shift, the answers of the others. */
  pipelined: (random, context) => {
    const bad = http(
      context,
      'push',
      random.pick(['{', '[]', 'null', '{"changes":5}', '{"schema_version":"x"}']),
    );
    const requests = random.shuffled([bad, valid(random, context), valid(random, context)]);
    return {
      ...bad,
      endpoint: null,
      body: null,
      parts: [Buffer.concat(requests.flatMap(({ parts }) => parts))],
      answers: requests.length,
    };
  },

  garbage: (random, context) => {
    const noise = Buffer.from(Array.from({ length: 1 + random.below(2_000) }, () => random.below(256)));
    const lines = [
      'GET\r\n\r\n',
      'HELLO\r\n',
      'POST /sync/push HTTP/9.9\r\n\r\n',
      'GET /sync/schema\r\n\r\n',
      '\r\n\r\n\r\n',
      '\x16\x03\x01\x02\x00',
    ];
    const smuggled = `POST /sync/push HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /`;
    const part = random.pick([
      noise,
      noise,
      ...lines.map((line) => Buffer.from(line, 'latin1')),
      Buffer.from(smuggled),
    ]);
    const request = http(context, 'push', null);
    return { ...request, parts: [part], strictness: 'protocol', ending: 'half-close', answers: 0 };
  },
} satisfies Readonly<Record<string, Category>>;

/** Bearer tokens that are none; for an app that asks for one. */
export const TOKENS: Category = (random, context) => {
  const endpoint = random.pick(ENDPOINTS);
  const claims = part({ sub: random.pick(context.foreignUsers), iat: 1, exp: 2 ** 40 });
  const token = random.pick([
    '', ' ', 'x', 'a.b.c', '..', '....', 'null', `${part({ alg: 'none' })}.${claims}.`, `${part({ alg: 'HS256' })}.${claims}.AAAA`,
    `${part({ alg: 'RS256', jku: 'http://127.0.0.1:1/' })}.${claims}.AAAA`, `${part({ alg: 'HS256', crit: ['x'] })}.${claims}.AA`,
    `${part({ alg: '__proto__' })}.${claims}.AA`, `${part(null)}.${part(null)}.`, 'x'.repeat(10_000), '\xff\xfe', "'; --", '%00',
  ]); // prettier-ignore
  const scheme = random.pick([
    'Bearer ',
    'Bearer ',
    'Bearer ',
    'bearer ',
    'Basic ',
    '',
    'Bearer  ',
    'Bearer\t',
  ]);
  const headers = [['Authorization', scheme + token] as const];
  return http(context, endpoint, bodyFor(random, context, endpoint), {
    anonymous: true,
    headers,
    refused: true,
  });
};

function valid(random: Random, context: FuzzContext): RawRequest {
  const endpoint = random.pick([...ENDPOINTS, 'pull', 'push', 'push', 'snapshot'] as const);
  return http(context, endpoint, bodyFor(random, context, endpoint));
}

function bodyFor(random: Random, context: FuzzContext, endpoint: Endpoint): string | null {
  return endpoint === 'tables' || endpoint === 'schema'
    ? null
    : render(validDraft(random, context, endpoint));
}

/** Text that nothing compresses: it needs all its room in an index. */
function noise(random: Random, length: number): string {
  return Array.from({ length }, () => random.below(36).toString(36)).join('');
}

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function chunk(part: string): string {
  return `${Buffer.byteLength(part).toString(16)}\r\n${part}\r\n`;
}

function chunkedHead(context: FuzzContext, endpoint: Endpoint): string {
  const request = http(context, endpoint, null, {
    method: 'POST',
    headers: [['Transfer-Encoding', 'chunked']],
  });
  return Buffer.concat(request.parts).toString('latin1');
}
