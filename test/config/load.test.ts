import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { explainConfig } from '../../src/config/explain.js';
import { type ConfigField, configFields } from '../../src/config/fields.js';
import { workerJsonSchema } from '../../src/config/json-schema.js';
import { type ConfigSources, loadConfig, parseConfig } from '../../src/config/load.js';
import { workerConfigSchema } from '../../src/config/schema.js';
import { IluvatarError } from '../../src/core/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'iluvatar-config-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let fileCount = 0;

function file(text: string, extension = 'yaml'): string {
  fileCount++;
  const path = join(folder, `${fileCount}.${extension}`);
  writeFileSync(path, text);
  return path;
}

function refusal(sources: ConfigSources): string {
  try {
    loadConfig(sources);
  } catch (error) {
    expect(error).toBeInstanceOf(IluvatarError);
    expect((error as IluvatarError).errorClass).toBe('invalid');
    return (error as IluvatarError).message;
  }
  throw new Error('was not refused');
}

function at(config: unknown, field: ConfigField): unknown {
  return field.path.reduce<unknown>((value, part) => (value as Record<string, unknown>)[part], config);
}

/** A value that the schema takes and that is not the default, so that a test sees whether it arrived. */
function otherValue(field: ConfigField): unknown {
  const candidates: unknown[] = [
    !field.default,
    1,
    2,
    32,
    1024,
    2048,
    4096,
    'other',
    '0640',
    'none',
    'off',
    'shares',
    'ttl',
    'debug',
    ['a', 'b,c'],
    { pool: 'debug', 'http.edge': 'warn' },
    { rack: 'r1' },
    [{ host: 'g', port: 1, prefix: 'p' }],
    [
      {
        ...{ url: 'http://i:8086', api: 'v1', bucket: 'b', functionsBucket: 'f', org: '', token: '', tokenFile: '' },
        ...{ user: 'u', password: 'p', create: false, retentionHours: 0 },
      },
    ],
  ];
  const fits = candidates.find((value) => {
    if (JSON.stringify(value) === JSON.stringify(field.default)) return false;
    const nested = field.path.reduceRight<unknown>((inner, part) => ({ [part]: inner }), value);
    return workerConfigSchema.safeParse(nested).success;
  });
  // An option with one possible value can only be set to it.
  return fits ?? field.default;
}

function asText(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

describe('sources', () => {
  it('has the defaults of the schema when nothing is said', () => {
    expect(loadConfig().config).toEqual(workerConfigSchema.parse({}));
    expect(loadConfig().origins.size).toBe(0);
  });

  it('lets each source count more than the one before it', () => {
    const yaml = file('http: { port: 1, address: a }\nname: file\nqueue:\n  limit: 1\nlog: { level: debug }\n');
    const environment = { ILUVATAR__HTTP__PORT: '2', ILUVATAR__QUEUE__LIMIT: '2', ILUVATAR__LOG__LEVEL: 'warn' };
    const set = ['http.port=3', 'queue.limit=3'];
    const { config, origins } = loadConfig({ file: yaml, environment, set, flags: { 'http.port': '4' } });
    expect([config.name, config.http.address, config.log.level, config.queue.limit, config.http.port]).toEqual([
      'file',
      'a',
      'warn',
      3,
      4,
    ]);
    expect(Object.fromEntries(origins)).toEqual({
      name: `file ${yaml}`,
      'http.address': `file ${yaml}`,
      'log.level': 'environment variable ILUVATAR__LOG__LEVEL',
      'queue.limit': 'flag --set queue.limit',
      'http.port': 'flag --http-port',
    });
    expect(loadConfig({ set: ['name=a'], values: { name: 'b' } }).config.name).toBe('b');
  });

  it('reads JSON and YAML alike', () => {
    const expected = parseConfig({ lifecycleThreads: 3, sandbox: { zygoteImports: ['json'] } });
    expect(
      loadConfig({ file: file('{"lifecycleThreads": 3, "sandbox": {"zygoteImports": ["json"]}}', 'json') }).config,
    ).toEqual(expected);
    expect(
      loadConfig({ file: file('lifecycleThreads: 3 # three\nsandbox:\n  zygoteImports: [json]\n', 'yml') }).config,
    ).toEqual(expected);
    expect(loadConfig({ file: file('') }).config).toEqual(parseConfig());
  });

  it('merges maps entry by entry and replaces lists', () => {
    const { config, origins } = loadConfig({
      file: file('log: { modules: { a: debug, b: debug } }\nsandbox: { zygoteImports: [x, y] }\n'),
      environment: { ILUVATAR__LOG__MODULES__b: 'warn', ILUVATAR__LOG__MODULES__Some__Thing: 'error' },
      set: ['log.modules.http.edge=info', 'sandbox.zygoteImports=["z"]'],
    });
    expect(config.log.modules).toEqual({ a: 'debug', b: 'warn', Some__Thing: 'error', 'http.edge': 'info' });
    expect(config.sandbox.zygoteImports).toEqual(['z']);
    expect(origins.get('log.modules')).toContain('ILUVATAR__LOG__MODULES__b');
  });

  it('ignores letter case and single underscores in variable names, and variables of others', () => {
    const environment = {
      ILUVATAR__keepAlive__ttlMs: '1',
      ILUVATAR__SOCKETMODE: '640',
      ILUVATAR_OTHER: 'x',
      PATH: '/',
    };
    const { config } = loadConfig({ environment });
    expect([config.keepAlive.ttlMs, config.socketMode]).toEqual([1, '640']);
  });
});

describe.each(configFields().map((field) => [field.key, field] as const))('option %s', (_key, field) => {
  const value = otherValue(field);

  it('can be set by its environment name, by --set, and in a file', () => {
    const nested = field.path.reduceRight<unknown>((inner, part) => ({ [part]: inner }), value);
    const ways: ConfigSources[] = [
      { environment: { [field.environment]: asText(value) } },
      { set: [`${field.key}=${asText(value)}`] },
      { file: file(JSON.stringify(nested), 'json') },
    ];
    for (const way of ways) {
      const { config, origins } = loadConfig(way);
      expect(at(config, field)).toEqual(value);
      expect([...origins.keys()]).toEqual([field.key]);
    }
  });

  it('is described, and its default is allowed', () => {
    expect(field.description).not.toBe('');
    expect(at(parseConfig(), field)).toEqual(field.default);
  });

  it('is named nearest when its last letter is lost', () => {
    expect(refusal({ set: [`${field.key.slice(0, -1)}=1`] })).toContain(`did you mean "${field.key}"?`);
  });
});

describe('refusals', () => {
  it('names the nearest option and the source, all problems at once', () => {
    const yaml = file('htttp: { port: 1 }\nhttp: { prot: 1 }\n');
    const message = refusal({
      file: yaml,
      environment: { ILUVATAR__HTP__PORT: '1' },
      set: ['headersTimeoutMs=1', 'zzzzzzzzz=1'],
    });
    expect(message.split('\n').slice(1)).toEqual([
      `  file ${yaml}: there is no option "htttp"; did you mean "http"?`,
      `  file ${yaml}: there is no option "http.prot"; did you mean "http.port"?`,
      '  environment variable ILUVATAR__HTP__PORT: there is no such option; did you mean ILUVATAR__HTTP__PORT?',
      '  flag --set headersTimeoutMs: there is no option "headersTimeoutMs"; did you mean "http.headersTimeoutMs"?',
      '  flag --set zzzzzzzzz: there is no option "zzzzzzzzz"',
    ]);
  });

  it.each([
    [{ set: ['http.port=70000'] }, 'flag --set http.port: http.port: 70000 is refused (allowed: integer, 0 to 65535)'],
    [{ set: ['http.port=ninety'] }, '"ninety" is not a number'],
    [{ set: ['http.port='] }, '"" is not a number'],
    [{ set: ['http.port=1.5'] }, '1.5 is refused (allowed: integer'],
    [{ environment: { ILUVATAR__THREADS: 'maybe' } }, 'ILUVATAR__THREADS: threads: "maybe" is not true or false'],
    [{ environment: { ILUVATAR__LOG__LEVEL: 'loud' } }, '(allowed: one of trace, debug, info, warn, error, silent)'],
    [
      { environment: { ILUVATAR__LOG__MODULES__x: 'loud' } },
      'ILUVATAR__LOG__MODULES__x: log.modules.x: "loud" is refused',
    ],
    [{ environment: { ILUVATAR__LOG__MODULES: '[1]' } }, 'is not a map such as'],
    [{ environment: { ILUVATAR__SANDBOX__ZYGOTE_IMPORTS: 'a,b' } }, 'is not JSON such as ["a","b"]'],
    [{ set: ['sandbox.zygoteImports=[1]'] }, 'sandbox.zygoteImports: [1] is refused (allowed: list; items: text)'],
    [{ set: ['http=1'] }, 'is a section; set one of its options'],
    [{ set: ['novalue'] }, 'must be key=value'],
    [{ set: ['log.modules.__proto__=info'] }, 'cannot be the name of an entry'],
    [{ flags: { 'http.port': 'x' } }, 'flag --http-port: http.port: "x" is not a number'],
    [{ values: { http: 3 } as never }, 'given configuration: http: must be a map of options, not 3'],
    [{ values: { name: null } as never }, 'name: null is refused'],
    [{ values: { log: { modules: 'x' } } as never }, 'log.modules: "x" is refused'],
    [{ file: '/nonexistent/worker.yaml' }, 'cannot be read: ENOENT'],
  ] satisfies [ConfigSources, string][])('refuses %j', (sources, part) => {
    expect(refusal(sources)).toContain(part);
  });

  it('says where a file is malformed', () => {
    expect(refusal({ file: file('a: [1,\nb: }', 'yaml') })).toMatch(/malformed: .*line \d/s);
    expect(refusal({ file: file('{"a": }', 'json') })).toContain('malformed');
    expect(refusal({ file: file('- a\n') })).toContain('must be a map of options');
  });

  it('never fails otherwise, whatever the text', () => {
    const keys = configFields().map((field) => field.key);
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.string(), (key, text) => {
        try {
          loadConfig({ set: [`${key}=${text}`] });
        } catch (error) {
          expect(error).toBeInstanceOf(IluvatarError);
          expect((error as Error).message).toContain(`flag --set ${key}`);
        }
      }),
    );
  });
});

describe('explain and schema', () => {
  it('tells value and source of an option, a section, and everything', () => {
    const loaded = loadConfig({ set: ['http.port=9000'] });
    expect(explainConfig(loaded, 'http.port')).toEqual([
      {
        key: 'http.port',
        path: ['http', 'port'],
        kind: 'integer',
        itemKind: null,
        allowed: 'integer, 0 to 65535',
        default: 8080,
        environment: 'ILUVATAR__HTTP__PORT',
        description: 'Port; 0 = any free one',
        live: false,
        value: 9000,
        source: 'flag --set http.port',
      },
    ]);
    expect(explainConfig(loaded, 'http').every(({ key }) => key.startsWith('http.'))).toBe(true);
    expect(explainConfig(loaded, '')).toHaveLength(configFields().length);
    expect(() => explainConfig(loaded, 'http.prot')).toThrow('did you mean "http.port"?');
  });

  it('has a JSON Schema that refuses unknown keys and requires nothing', () => {
    const schema = workerJsonSchema();
    expect(schema.additionalProperties).toBe(false);
    expect(schema).not.toHaveProperty('required');
    expect(schema.properties?.http?.properties?.port).toEqual({
      type: 'integer',
      minimum: 0,
      maximum: 65535,
      default: 8080,
      description: 'Port; 0 = any free one',
    });
  });

  it('gives no two options the same environment name', () => {
    const names = configFields().map((field) => field.environment.replaceAll(/(?<!_)_(?!_)/g, ''));
    expect(new Set(names).size).toBe(names.length);
  });
});
