import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { IluvatarError, type Random, seededRandom } from '../core/index.js';
import { AzureFunctions } from './azure-functions.js';
import { BatchBuilder } from './batch-builder.js';
import { type CsvRecords, readCsv } from './csv-records.js';
import type { ArrivalBatch, TraceFunction, TraceSource } from './trace-source.js';

/**
 * The layout of the Azure Functions trace of 2019 (Shahrad et al., "Serverless in the Wild", ATC 2020): a folder with, for each day NN,
 * `invocations_per_function_md.anon.dNN.csv` (a row per function, a column per minute), `function_durations_percentiles.anon.dNN.csv` and
 * `app_memory_percentiles.anon.dNN.csv`; each may be packed (`.gz`).
 *
 * A row holds a function's whole day, but a simulation wants one minute of all functions: the counts have to be turned round. Of the day being played, what is held is
 * 8 bytes for each minute in which a function was called at all, and of the minute being played its arrivals; so memory grows with the number of functions, never
 * with the number of days. The files are read once when the trace is opened (which functions there are, and how many are called in each minute), and each once more
 * when its day is played.
 */
export interface AzureOptions {
  /** Of the times within the minutes. */
  readonly seed: number;
  /**
   * Where in a minute the calls counted there come: `uniform` = each anywhere, independently; `even` = at equal distances, the first anywhere within one
   * distance, so that the functions that are called once a minute do not all come together.
   */
  readonly spread: 'uniform' | 'even';
}

interface Day {
  readonly file: string;
  /** Minutes from the beginning of the trace. */
  readonly firstMinute: number;
  /** For each minute: functions that are called in it. */
  readonly called: Uint32Array;
}

const MINUTES = 1440;
const MINUTE_US = 60_000_000;
const INVOCATIONS = /^invocations_per_function_md\.anon\.d(\d+)\.csv(?:\.gz)?$/;
const DURATIONS = /^function_durations_percentiles\.anon\.d(\d+)\.csv(?:\.gz)?$/;
const MEMORY = /^app_memory_percentiles\.anon\.d(\d+)\.csv(?:\.gz)?$/;
const HASHES = ['HashOwner', 'HashApp', 'HashFunction'] as const;
const MINUTE_NAMES = Array.from({ length: MINUTES }, (_, i) => String(i + 1));
/** Within one number: the time within the minute above, 26 bits, and the function below. */
const FUNCTIONS_MAX = 2 ** 27;

export class AzureTrace implements TraceSource {
  readonly functions: readonly TraceFunction[];
  /** Functions that are called, but of which the other files do not know how long they run or what memory their application takes. */
  readonly leftOut: number;
  readonly #known: AzureFunctions;
  readonly #days: readonly Day[];
  readonly #options: AzureOptions;

  private constructor(known: AzureFunctions, days: readonly Day[], options: AzureOptions) {
    this.functions = known.functions;
    this.leftOut = known.leftOut;
    this.#known = known;
    this.#days = days;
    this.#options = options;
  }

  static async open(folder: string, options: AzureOptions): Promise<AzureTrace> {
    const files = readdirSync(folder).sort();
    const matching = (pattern: RegExp): string[] =>
      files.filter((file) => pattern.test(file)).map((file) => join(folder, file));
    const counts = matching(INVOCATIONS);
    for (const [what, found] of [
      ['invocations_per_function_md', counts],
      ['function_durations_percentiles', matching(DURATIONS)],
      ['app_memory_percentiles', matching(MEMORY)],
    ] as const) {
      if (found.length === 0) throw new IluvatarError('invalid', `${folder} has no ${what}.anon.dNN.csv`);
    }
    const known = new AzureFunctions();
    for (const file of matching(DURATIONS)) await known.readDurations(file);
    for (const file of matching(MEMORY)) await known.readMemory(file);
    for (const file of counts) {
      for await (const { records, columns } of readCsv(file, HASHES)) {
        while (records.next()) known.addCalled(records, columns);
      }
    }
    known.complete();
    if (known.functions.length === 0) {
      throw new IluvatarError('invalid', `${folder}: the durations and memory of no function that is called are known`);
    }
    if (known.functions.length > FUNCTIONS_MAX) throw new IluvatarError('invalid', `${folder}: too many functions`);
    return new AzureTrace(known, await AzureTrace.#readDays(counts, known), options);
  }

  /** Days from the beginning of the first to the end of the last; µs. */
  get lengthUs(): number {
    return ((this.#days.at(-1) as Day).firstMinute + MINUTES) * MINUTE_US;
  }

  /** Every count above zero, of each function and minute of the trace: less work by far than the arrivals are. */
  async eachCount(take: (fn: number, minute: number, count: number) => void): Promise<void> {
    for (const { file, firstMinute } of this.#days) {
      await eachCount(file, this.#known, (fn, minute, count) => take(fn, firstMinute + minute, count));
    }
  }

  /** The trace of some of its functions alone, in ascending order of their indexes. */
  async select(indexes: readonly number[]): Promise<AzureTrace> {
    const known = this.#known.select(indexes);
    const files = this.#days.map(({ file }) => file);
    return new AzureTrace(known, await AzureTrace.#readDays(files, known), this.#options);
  }

  static async #readDays(files: readonly string[], known: AzureFunctions): Promise<Day[]> {
    const numbers = files.map((file) => Number(INVOCATIONS.exec(basename(file))?.[1]));
    const first = numbers[0] as number;
    const days: Day[] = [];
    for (const [i, file] of files.entries()) {
      const called = new Uint32Array(MINUTES);
      await eachCount(file, known, (_, minute) => {
        called[minute] = (called[minute] as number) + 1;
      });
      days.push({ file, firstMinute: ((numbers[i] as number) - first) * MINUTES, called });
    }
    return days;
  }

  async *arrivals(): AsyncGenerator<ArrivalBatch> {
    const random = seededRandom(this.#options.seed);
    const batch = new BatchBuilder();
    for (const day of this.#days) {
      const { ends, fns, counts } = await this.#turn(day);
      for (let minute = 0; minute < MINUTES; minute++) {
        const begin = minute === 0 ? 0 : (ends[minute - 1] as number);
        const times = this.#spread(fns, counts, begin, ends[minute] as number, random);
        const startUs = (day.firstMinute + minute) * MINUTE_US;
        for (let i = 0; i < times.length; i++) {
          const time = times[i] as number;
          const offset = Math.floor(time / FUNCTIONS_MAX);
          batch.add(startUs + offset, time - offset * FUNCTIONS_MAX);
          if (!batch.full) continue;
          yield batch;
          batch.count = 0;
        }
      }
    }
    if (batch.count > 0) yield batch;
  }

  /** The counts of a day by minute: those of minute m stand before `ends[m]`. */
  async #turn(day: Day): Promise<{ ends: Uint32Array; fns: Uint32Array; counts: Uint32Array }> {
    const ends = new Uint32Array(MINUTES);
    let total = 0;
    for (let minute = 0; minute < MINUTES; minute++) {
      ends[minute] = total;
      total += day.called[minute] as number;
    }
    const fns = new Uint32Array(total);
    const counts = new Uint32Array(total);
    await eachCount(day.file, this.#known, (fn, minute, count) => {
      const at = ends[minute] as number;
      if (at >= total) throw new IluvatarError('invalid', `${day.file} has changed since it was opened`);
      ends[minute] = at + 1;
      fns[at] = fn;
      counts[at] = count;
    });
    return { ends, fns, counts };
  }

  /** The calls of one minute in the order of their times; two at one time in the order of their functions. */
  #spread(fns: Uint32Array, counts: Uint32Array, begin: number, end: number, random: Random): Float64Array {
    let total = 0;
    for (let i = begin; i < end; i++) total += counts[i] as number;
    const times = new Float64Array(total);
    const even = this.#options.spread === 'even';
    let at = 0;
    for (let i = begin; i < end; i++) {
      const fn = fns[i] as number;
      const count = counts[i] as number;
      const gap = MINUTE_US / count;
      const phase = even ? random() : 0;
      for (let call = 0; call < count; call++) {
        const offset = Math.floor(even ? (call + phase) * gap : random() * MINUTE_US);
        times[at++] = offset * FUNCTIONS_MAX + fn;
      }
    }
    return times.sort();
  }
}

/** Every count above zero of every function that is known, row by row. */
async function eachCount(
  file: string,
  known: AzureFunctions,
  take: (fn: number, minute: number, count: number) => void,
): Promise<void> {
  for await (const { records, columns } of readCsv(file, [...HASHES, ...MINUTE_NAMES])) {
    while (records.next()) {
      const fn = known.indexOf(records, columns);
      if (fn < 0) continue;
      for (let minute = 0; minute < MINUTES; minute++) {
        const cell = columns[minute + HASHES.length] as number;
        const count = countOf(records, cell);
        if (count > 0) take(fn, minute, count);
      }
    }
  }
}

function countOf(records: CsvRecords, cell: number): number {
  const count = records.number(cell);
  if (!Number.isInteger(count) || count < 0 || count > 0xffffffff) {
    const text = cell < records.cells ? `"${records.text(cell)}"` : 'nothing';
    throw records.invalid(cell, `${text} is not a number of invocations`);
  }
  return count;
}
