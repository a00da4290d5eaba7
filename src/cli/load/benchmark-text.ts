import type { BenchmarkFile, DeviceBenchmark } from '../../load/benchmark/benchmark-timings.js';
import { microseconds, table } from '../output.js';

/** A benchmark for people. */

export interface Failure {
  readonly fn: string;
  readonly compute: string;
  readonly outcome: string;
  readonly count: number;
  /** Of the first. */
  readonly error: string;
}

/** Failures by function, device and kind, however many there are. */
export class Failures {
  readonly #failures = new Map<string, Failure>();

  add(fn: string, compute: string, outcome: string, error: string): void {
    const key = `${fn} ${compute} ${outcome}`;
    const known = this.#failures.get(key) ?? { fn, compute, outcome, count: 0, error };
    this.#failures.set(key, { ...known, count: known.count + 1 });
  }

  list(): readonly Failure[] {
    return [...this.#failures.values()];
  }
}

export function benchmarkText(file: BenchmarkFile, failures: Failures): string {
  const lines = Object.values(file.data).flatMap(({ function_name: name, resource_data: devices }) =>
    Object.entries(devices).map(([compute, lists]) => ({ name, compute, lists })),
  );
  type Line = (typeof lines)[number];
  const duration = (title: string, of: (lists: DeviceBenchmark) => readonly number[], factor = 1) => ({
    title,
    right: true,
    text: ({ lists }: Line) => medianText(of(lists), factor),
  });
  const measured = table(
    lines,
    [
      { title: 'FUNCTION', text: ({ name }) => name },
      { title: 'DEVICE', text: ({ compute }) => compute },
      { title: 'COLD', right: true, text: ({ lists }) => String(lists.cold_invoke_duration_us.length) },
      duration('LATENCY', (lists) => lists.cold_invoke_duration_us),
      duration('INSIDE', (lists) => lists.cold_results_sec, 1e6),
      { title: 'WARM', right: true, text: ({ lists }) => String(lists.warm_invoke_duration_us.length) },
      duration('LATENCY', (lists) => lists.warm_invoke_duration_us),
      duration('INSIDE', (lists) => lists.warm_results_sec, 1e6),
      duration('OVERHEAD', (lists) => lists.warm_over_results_us),
    ],
    'there is no function',
  );
  const failed = failures.list();
  return `${measured}times are medians\n${failed.length === 0 ? '' : `\n${failuresText(failed)}`}`;
}

function failuresText(failures: readonly Failure[]): string {
  return table(
    failures,
    [
      { title: 'FAILED', text: ({ fn }) => fn },
      { title: 'DEVICE', text: ({ compute }) => compute },
      { title: 'ERROR', text: ({ outcome }) => outcome },
      { title: 'COUNT', right: true, text: ({ count }) => String(count) },
      { title: 'FIRST', text: ({ error }) => error.split('\n', 1)[0] as string },
    ],
    '',
  );
}

function medianText(values: readonly number[], factor: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  const median = sorted[Math.max(0, Math.ceil(sorted.length / 2) - 1)];
  return median === undefined ? '–' : microseconds(median * factor);
}
