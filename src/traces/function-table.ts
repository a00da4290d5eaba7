import { type Device, type FunctionTimings, IluvatarError, isFunctionName } from '../core/index.js';
import { type BenchmarkTimings, mean } from './benchmark-timings.js';
import { type CsvRecords, readCsv } from './csv-records.js';
import type { LiveFunction, TraceFunction } from './trace-source.js';

/** The functions of a trace: a CSV with `func_name` and `mem_mb`, and whatever else is known of them. */

export interface PrewarmOptions {
  /** Containers made before the first arrival, for functions that name no number themselves; 0 = none. */
  readonly prewarms: number;
  /** Most of these for one function whose mean time between arrivals is known. */
  readonly maxPrewarms: number;
}

const OPTIONAL = [
  'cold_dur_ms',
  'warm_dur_ms',
  'mean_iat',
  'prewarms',
  'compute',
  'image_name',
  'chosen_name',
  'version',
  'isolation',
  'server',
  'args',
  'use_lookbusy',
] as const;

export async function readFunctions(
  file: string,
  benchmark: BenchmarkTimings | null,
  prewarming: PrewarmOptions,
): Promise<TraceFunction[]> {
  const functions: TraceFunction[] = [];
  const known = new Set<string>();
  for await (const { records, columns } of readCsv(file, ['func_name', 'mem_mb'], OPTIONAL)) {
    while (records.next()) {
      const fn = readFunction(records, columns, benchmark, prewarming);
      if (known.has(fn.name)) throw records.invalid(columns[0] as number, `"${fn.name}" is described twice`);
      known.add(fn.name);
      functions.push(fn);
    }
  }
  if (functions.length === 0) throw new IluvatarError('invalid', `${file}, line 2, column 1: it describes no function`);
  return functions;
}

function readFunction(
  records: CsvRecords,
  columns: readonly number[],
  benchmark: BenchmarkTimings | null,
  prewarming: PrewarmOptions,
): TraceFunction {
  const [nameAt = -1, memoryAt = -1, coldAt = -1, warmAt = -1, iatAt = -1, prewarmsAt = -1, computeAt = -1] = columns;
  const [imageAt = -1, chosenAt = -1, versionAt = -1, ...liveAt] = columns.slice(7);
  const text = (at: number): string => (at < 0 ? '' : records.text(at).trim());
  /** Null = not given. */
  const number = (at: number, unit: string): number | null => {
    if (text(at) === '') return null;
    const value = records.number(at);
    if (value < 0) throw records.invalid(at, `"${text(at)}" is not a number of ${unit} from 0`);
    return value;
  };
  const name = text(nameAt);
  if (!isFunctionName(name)) throw records.invalid(nameAt, `"${name}" is not a function name`);
  const memoryMb = number(memoryAt, 'MiB');
  if (memoryMb === null || memoryMb === 0) throw records.invalid(memoryAt, `${name} has no memory`);
  const devices = devicesOf(text(computeAt), records, computeAt);
  const givenWarm = number(warmAt, 'ms');
  const givenCold = number(coldAt, 'ms');
  const measured =
    benchmark === null ? null : choose(benchmark, name, text(chosenAt), text(imageAt) !== '', givenWarm, devices);
  if (benchmark === null && givenWarm === null) {
    throw records.invalid(
      warmAt < 0 ? records.cells : warmAt,
      `${name} has no warm_dur_ms, and there are no benchmarks`,
    );
  }
  const cpu = measured?.timings.cpu ?? null;
  const gpu = measured?.timings.gpu ?? null;
  // A function that only a GPU was measured for is described by what is known of it.
  const general = cpu ?? gpu;
  const overwritten = measured?.byDuration === true && text(imageAt) === '';
  const warmUs = pick(overwritten ? null : givenWarm, general?.warmRunUs);
  const coldUs = pick(overwritten ? null : givenCold, general?.coldTotalUs) ?? warmUs;
  if (warmUs === null || coldUs === null) {
    throw records.invalid(nameAt, `${name} has no warm_dur_ms, and the benchmarks have no time for it`);
  }
  const meanIatMs = number(iatAt, 'ms');
  const version = text(versionAt) === '' ? '1' : text(versionAt);
  if (!isFunctionName(version)) throw records.invalid(versionAt, `"${version}" is not a version`);
  return {
    name,
    version,
    memoryMb: Math.ceil(memoryMb),
    warmUs,
    coldUs,
    meanIatUs: meanIatMs === null ? null : Math.round(meanIatMs * 1000),
    devices,
    prewarms: number(prewarmsAt, 'containers') ?? prewarmsFor(warmUs, coldUs, meanIatMs, prewarming),
    gpuWarmUs: devices.includes('gpu') ? pick(null, gpu?.warmRunUs) : null,
    gpuColdUs: devices.includes('gpu') ? pick(null, gpu?.coldTotalUs) : null,
    timings: measured?.timings ?? null,
    live: {
      chosen: measured?.name ?? (text(chosenAt) === '' ? null : text(chosenAt)),
      image: text(imageAt) === '' ? null : text(imageAt),
      ...readLive(records, name, liveAt),
    },
  };
}

function readLive(
  records: CsvRecords,
  name: string,
  [isolationAt = -1, serverAt = -1, argsAt = -1, lookbusyAt = -1]: readonly number[],
): Omit<LiveFunction, 'chosen' | 'image'> {
  const text = (at: number): string => (at < 0 ? '' : records.text(at).trim());
  const lookbusy = text(lookbusyAt).toLowerCase();
  if (!['', 'true', 'false', '1', '0'].includes(lookbusy)) {
    throw records.invalid(lookbusyAt, `"${text(lookbusyAt)}" is neither true nor false`);
  }
  return {
    isolation: text(isolationAt),
    server: text(serverAt),
    args: argumentsOf(text(argsAt), records, argsAt),
    lookbusy: name.startsWith('lookbusy') || lookbusy === 'true' || lookbusy === '1',
  };
}

/** `name=value;name=value` as JSON text; a value is JSON if it reads as JSON, else text. */
function argumentsOf(text: string, records: CsvRecords, at: number): string {
  const args: Record<string, unknown> = {};
  for (const pair of text.split(';').filter((part) => part.trim() !== '')) {
    const split = pair.indexOf('=');
    if (split <= 0) throw records.invalid(at, `"${pair}" is not an argument: name=value;name=value`);
    const value = pair.slice(split + 1);
    try {
      args[pair.slice(0, split).trim()] = JSON.parse(value);
    } catch {
      args[pair.slice(0, split).trim()] = value;
    }
  }
  return JSON.stringify(args);
}

/** `CPU`, `GPU` or `CPU|GPU`; nothing = CPU. */
function devicesOf(text: string, records: CsvRecords, at: number): Device[] {
  if (text === '') return ['cpu'];
  const devices = text.split('|').map((part) => part.trim().toLowerCase());
  for (const device of devices) {
    if (device !== 'cpu' && device !== 'gpu') {
      throw records.invalid(at, `"${text}" is not a compute: CPU, GPU or CPU|GPU`);
    }
  }
  return [...new Set(devices)] as Device[];
}

interface Measured {
  readonly name: string;
  readonly timings: FunctionTimings;
  /** No benchmark has its name: this one takes about as long. */
  readonly byDuration: boolean;
}

/**
 * The benchmark that stands for a function: the one it names; of its own name without the last `-part`, when it has an image; of its own name; else the one with
 * the greatest mean warm time that is not above the function's, or the least of all. One for the function's GPU goes before one for the CPU.
 */
function choose(
  benchmark: BenchmarkTimings,
  name: string,
  chosen: string,
  hasImage: boolean,
  warmMs: number | null,
  devices: readonly Device[],
): Measured | null {
  const stem = name.slice(0, Math.max(0, name.lastIndexOf('-')));
  for (const candidate of [chosen, hasImage ? stem : '', name]) {
    const timings = benchmark.get(candidate);
    if (timings !== undefined) return { name: candidate, timings, byDuration: false };
  }
  // Its own image is a function of its own, of which nothing else is known: another's times are not its times.
  if (hasImage && warmMs !== null) return null;
  const device: Device = devices.includes('gpu') ? 'gpu' : 'cpu';
  const wantedUs = (warmMs ?? 0) * 1000;
  let best: Measured | null = null;
  let bestUs = 0;
  for (const [candidate, timings] of benchmark) {
    const us = mean(timings[device]?.warmTotalUs ?? []);
    if (us === 0) continue;
    const better = best === null || (us <= wantedUs ? us > bestUs || bestUs > wantedUs : us < bestUs);
    if (!better) continue;
    best = { name: candidate, timings, byDuration: true };
    bestUs = us;
  }
  return best;
}

/** What was given, in ms, or else the mean of what was measured; µs. */
function pick(givenMs: number | null, measuredUs: readonly number[] | undefined): number | null {
  if (givenMs !== null) return Math.round(givenMs * 1000);
  return measuredUs === undefined || measuredUs.length === 0 ? null : Math.round(mean(measuredUs));
}

/** As many as run at once when it is called at its mean rate, cold or warm; no more than asked for. */
function prewarmsFor(warmUs: number, coldUs: number, meanIatMs: number | null, options: PrewarmOptions): number {
  if (options.prewarms === 0 || meanIatMs === null || meanIatMs === 0) return options.prewarms;
  const atOnce = Math.ceil(Math.max(warmUs, coldUs) / (meanIatMs * 1000));
  return Math.min(atOnce, options.prewarms, options.maxPrewarms);
}
