import type { LoadRow } from '../../results/load-row.js';
import { wasCold, workerUs } from '../../results/original-output.js';

/** What functions were measured to take, in the shape of the original's `worker_function_benchmarks.json`: src/traces/benchmark-timings.ts reads it. */

export interface BenchmarkFile {
  readonly data: Readonly<Record<string, FunctionBenchmark>>;
}

export interface FunctionBenchmark {
  readonly function_name: string;
  readonly image_name: string;
  /** By compute: `CPU`, `GPU`. */
  readonly resource_data: Record<string, DeviceBenchmark>;
}

/** Lists of the successful invocations, in their order. */
export interface DeviceBenchmark {
  /** Inside the function; s. */
  readonly warm_results_sec: number[];
  readonly cold_results_sec: number[];
  /** The client's latency less that; µs. */
  readonly warm_over_results_us: number[];
  readonly cold_over_results_us: number[];
  /** As the worker saw it; µs. */
  readonly warm_worker_duration_us: number[];
  readonly cold_worker_duration_us: number[];
  /** As the client saw it; µs. */
  readonly warm_invoke_duration_us: number[];
  readonly cold_invoke_duration_us: number[];
}

export class BenchmarkTimings {
  readonly #functions = new Map<string, FunctionBenchmark>();

  /** Functions that are never measured have empty lists: nobody takes them for forgotten. */
  expect(name: string, image: string, compute: string): void {
    let fn = this.#functions.get(name);
    if (fn === undefined) {
      fn = { function_name: name, image_name: image, resource_data: {} };
      this.#functions.set(name, fn);
    }
    fn.resource_data[compute] ??= {
      warm_results_sec: [],
      warm_over_results_us: [],
      cold_results_sec: [],
      cold_over_results_us: [],
      warm_worker_duration_us: [],
      cold_worker_duration_us: [],
      warm_invoke_duration_us: [],
      cold_invoke_duration_us: [],
    };
  }

  /** Of what was expected. A failed invocation has no duration, and is not in the lists. */
  add(name: string, compute: string, row: Readonly<LoadRow>): void {
    const lists = this.#functions.get(name)?.resource_data[compute];
    if (lists === undefined || row.outcome !== 'ok') return;
    const latencyUs = row.endUs - row.sentUs;
    const insideUs = row.codeUs >= 0 ? row.codeUs : row.runUs;
    const durationUs = workerUs(row);
    const cold = wasCold(row);
    (cold ? lists.cold_invoke_duration_us : lists.warm_invoke_duration_us).push(latencyUs);
    if (insideUs >= 0) {
      (cold ? lists.cold_results_sec : lists.warm_results_sec).push(insideUs / 1e6);
      (cold ? lists.cold_over_results_us : lists.warm_over_results_us).push(Math.max(0, latencyUs - insideUs));
    }
    if (durationUs >= 0) (cold ? lists.cold_worker_duration_us : lists.warm_worker_duration_us).push(durationUs);
  }

  file(): BenchmarkFile {
    return { data: Object.fromEntries(this.#functions) };
  }
}
