import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { FunctionDefinitionInput } from '../../config/api.js';
import { IluvatarError } from '../../core/errors.js';
import { isFunctionName } from '../../core/index.js';
import { type CsvRecords, readCsv } from '../../traces/csv-records.js';
import { backendsOf, serverOf } from '../functions/original-names.js';
import { lookbusyArguments, lookbusyDefinition } from '../lookbusy.js';
import type { BenchmarkFunction } from './run-benchmark.js';

/** Which functions are measured. */

/** As the original sends them to a function that names no arguments. */
export const DEFAULT_ARGUMENTS = '{"name":"TESTING"}';
/** Of what takes as long as it is told to: its own default is seconds. */
const LOOKBUSY_ARGUMENTS = lookbusyArguments({ coldMs: 100, warmMs: 50 });
const DEFAULT_MEMORY_MB = 512;
/** What is measured must not end because others are measured as well; ms. */
const TIMEOUT_MS = 3_600_000;

export interface SampleOptions {
  readonly folder: string;
  /** Null = all that can run as they are. */
  readonly names: readonly string[] | null;
  readonly memoryMb: number | null;
}

/** Functions of a folder of folders, as functions/ is one. Throws `invalid` for a name that is not there. */
export function sampleFunctions({ folder, names, memoryMb }: SampleOptions): BenchmarkFunction[] {
  const there = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const runnable = there.map(({ name }) => name).filter((name) => sourceOf(join(folder, name)) !== null);
  const missing = (names ?? []).filter((name) => !runnable.includes(name));
  if (missing.length > 0) {
    throw new IluvatarError(
      'invalid',
      `${folder} has no function ${missing.join(', ')} that can run as it is; there are: ${runnable.join(', ')}`,
    );
  }
  return (names ?? runnable).toSorted().map((name) => ({
    name,
    image: '',
    computes: ['CPU'],
    definition: {
      ...sourceOf(join(folder, name)),
      memoryMb: memoryMb ?? DEFAULT_MEMORY_MB,
      timeoutMs: TIMEOUT_MS,
    },
    archive: null,
    args: name === 'lookbusy' ? LOOKBUSY_ARGUMENTS : DEFAULT_ARGUMENTS,
  }));
}

/** Null = it has to be built first. */
function sourceOf(folder: string): Pick<FunctionDefinitionInput, 'source' | 'runtime'> | null {
  if (['main.py', 'index.js', 'main'].some((file) => existsSync(join(folder, file)))) return { source: folder };
  if (!existsSync(join(folder, 'lookbusy.c'))) return null;
  const { source, runtime } = lookbusyDefinition({ name: 'lookbusy', memoryMb: 1 });
  return { source: source ?? null, runtime: runtime ?? null };
}

const OPTIONAL = ['image_name', 'compute', 'isolation', 'memory', 'server', 'args', 'source'] as const;

/**
 * A CSV as the original's: `name,image_name,compute,isolation,memory,server,args`, of which `name` and one of `image_name` and `source` (a path of the target's host, from
 * the folder of the file) are needed. Throws `invalid` with file, line and column.
 */
export async function readBenchmarkFunctions(file: string): Promise<BenchmarkFunction[]> {
  const functions: BenchmarkFunction[] = [];
  const names = new Set<string>();
  for await (const { records, columns } of readCsv(file, ['name'], OPTIONAL)) {
    while (records.next()) {
      const fn = readFunction(records, columns, file);
      if (names.has(fn.name)) throw records.invalid(columns[0] as number, `"${fn.name}" is there twice`);
      names.add(fn.name);
      functions.push(fn);
    }
  }
  if (functions.length === 0) throw new IluvatarError('invalid', `${file}, line 2, column 1: it names no function`);
  return functions;
}

function readFunction(records: CsvRecords, columns: readonly number[], file: string): BenchmarkFunction {
  const [nameAt = -1, imageAt = -1, computeAt = -1, isolationAt = -1, memoryAt = -1, serverAt = -1, argsAt = -1] =
    columns;
  const text = (at: number): string => (at < 0 ? '' : records.text(at).trim());
  const name = text(nameAt);
  if (!isFunctionName(`${name}.CPU.0`)) throw records.invalid(nameAt, `"${name}" is not a function name`);
  const image = text(imageAt);
  const source = text(columns[7] ?? -1);
  if ((image === '') === (source === '')) throw records.invalid(nameAt, `${name} needs an image_name or a source`);
  const memory = text(memoryAt) === '' ? DEFAULT_MEMORY_MB : records.number(memoryAt);
  if (!(memory >= 1)) throw records.invalid(memoryAt, `"${text(memoryAt)}" is not an amount of memory in MiB`);
  const backends = backendsOf(text(isolationAt));
  if (backends === null) throw records.invalid(isolationAt, `"${text(isolationAt)}" is not an isolation`);
  const server = image === '' ? null : serverOf(text(serverAt));
  if (image !== '' && server === null) throw records.invalid(serverAt, `"${text(serverAt)}" is not a server`);
  return {
    name,
    image,
    computes: computesOf(text(computeAt), records, computeAt),
    definition: {
      ...(image === '' ? { source: resolve(file, '..', source) } : { image, server: server ?? 'http' }),
      ...(backends.length === 0 ? {} : { backends: [...backends] }),
      memoryMb: Math.ceil(memory),
      timeoutMs: TIMEOUT_MS,
    },
    archive: null,
    args: argumentsOf(text(argsAt), records, argsAt),
  };
}

function computesOf(text: string, records: CsvRecords, at: number): ('CPU' | 'GPU')[] {
  const computes = (text === '' ? 'CPU' : text).split('|').map((part) => part.trim().toUpperCase());
  for (const compute of computes) {
    if (compute !== 'CPU' && compute !== 'GPU')
      throw records.invalid(at, `"${text}" is not a compute: CPU, GPU or CPU|GPU`);
  }
  return [...new Set(computes)] as ('CPU' | 'GPU')[];
}

/** JSON, or `k=v;k=v` with text as values. */
function argumentsOf(text: string, records: CsvRecords, at: number): string {
  if (text === '') return DEFAULT_ARGUMENTS;
  if (text.startsWith('{')) {
    try {
      JSON.parse(text);
      return text;
    } catch (error) {
      throw records.invalid(at, `the arguments are not JSON: ${(error as Error).message}`);
    }
  }
  const pairs = text.split(';').map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]);
  if (text.split(';').some((pair) => pair.indexOf('=') < 1)) {
    throw records.invalid(at, `"${text}" is neither a JSON object nor k=v;k=v`);
  }
  return JSON.stringify(Object.fromEntries(pairs));
}
