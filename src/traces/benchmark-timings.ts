import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { type Device, type DeviceTimings, type FunctionTimings, IluvatarError } from '../core/index.js';

/** What functions were measured to take: the result file of a benchmark run, `worker_function_benchmarks.json`. Names of functions → devices → durations. */
export type BenchmarkTimings = ReadonlyMap<string, FunctionTimings>;

const DEVICES: Readonly<Record<string, Device>> = { cpu: 'cpu', gpu: 'gpu' };

export function readBenchmark(file: string): BenchmarkTimings {
  const refuse = (where: string, text: string): IluvatarError =>
    new IluvatarError('invalid', `${file}: ${where === '' ? '' : `${where}: `}${text}`);
  let root: unknown;
  try {
    const bytes = readFileSync(file);
    root = JSON.parse((file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8').replace(/^\uFEFF/, ''));
  } catch (error) {
    throw refuse('', `cannot be read as JSON: ${(error as Error).message}`);
  }
  const section = (value: unknown, where: string): Record<string, unknown> => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    throw refuse(where, 'must be an object');
  };
  const numbers = (value: unknown, where: string, factor: number): number[] => {
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw refuse(where, 'must be a list of numbers');
    return value.map((item: unknown, i) => {
      if (typeof item === 'number' && Number.isFinite(item) && item >= 0) return Math.round(item * factor);
      throw refuse(`${where}[${i}]`, `${JSON.stringify(item)} is not a duration`);
    });
  };
  const functions = new Map<string, Partial<Record<Device, DeviceTimings>>>();
  for (const [name, value] of Object.entries(section(section(root, '')['data'], 'data'))) {
    const resources = section(section(value, `data.${name}`)['resource_data'], `data.${name}.resource_data`);
    const devices: Partial<Record<Device, DeviceTimings>> = {};
    for (const [resource, lists] of Object.entries(resources)) {
      const where = `data.${name}.resource_data.${resource}`;
      const device = DEVICES[resource.toLowerCase()];
      if (device === undefined) throw refuse(where, 'is neither CPU nor GPU');
      const given = section(lists, where);
      const list = (key: string, factor = 1): number[] => numbers(given[key], `${where}.${key}`, factor);
      devices[device] = {
        warmRunUs: list('warm_results_sec', 1e6),
        coldRunUs: list('cold_results_sec', 1e6),
        warmTotalUs: inner(list('warm_worker_duration_us'), list('warm_invoke_duration_us')),
        coldTotalUs: inner(list('cold_worker_duration_us'), list('cold_invoke_duration_us')),
      };
    }
    functions.set(name, devices);
  }
  if (functions.size === 0) throw refuse('data', 'has no function');
  return functions;
}

/**
 * The worker's own durations. A run through a controller stored them under each other's names; the caller's latency contains the worker's duration, so the
 * lesser list is the worker's.
 */
function inner(worker: number[], invoke: number[]): number[] {
  if (worker.length === 0 || invoke.length === 0) return worker;
  return mean(worker) <= mean(invoke) ? worker : invoke;
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
