import { type NativeTegrastatsReader, native } from '../../native.js';
import * as record from './tegrastats-records.js';
import type {
  CoreLoad,
  EngineLoad,
  MemoryUse,
  NamedEngine,
  NamedMemory,
  Rail,
  SwapUse,
  TegrastatsSample,
  Temperature,
  TotalPower,
} from './tegrastats-sample.js';
import { totalPower } from './total-power.js';

/**
 * Samples out of what `tegrastats` prints, in pieces of any size. The addon tells tokens apart and reads their numbers; here they become objects. Nothing makes it fail: what it does not
 * know is in the sample as text, and a line that is none of tegrastats (a banner, an error, garbage) gives no sample but is counted, and told to `onForeign`.
 */
export interface TegrastatsParserOptions {
  /** Called in `push` and `end`, after their lines were read, with each line that is none of tegrastats. Must not throw. */
  readonly onForeign?: (line: string) => void;
}

/** Since the parser was made. */
export interface TegrastatsCounters {
  bytes: number;
  /** That were read, blank ones aside: `lines - foreign` samples. */
  lines: number;
  /** Of them those that are none of tegrastats. */
  foreign: number;
  /** Longer than 4 KiB, and dropped; not among `lines`. */
  tooLong: number;
  unknownTokens: number;
}

/** Room for some sixty lines of the largest board between two looks at them. */
const WORDS = 16_384;
const TEXT_BYTES = 16_384;

export class TegrastatsParser {
  readonly #words = new Float64Array(WORDS);
  readonly #text = Buffer.alloc(TEXT_BYTES);
  readonly #reader: NativeTegrastatsReader = new (native().tegrastats.Reader)(this.#words, this.#text);
  readonly #names: string[] = [];
  readonly #onForeign: ((line: string) => void) | undefined;
  #bytes = 0;
  #lines = 0;
  #foreign = 0;
  #unknownTokens = 0;
  /** Of this call. */
  #foreignLines: string[] = [];

  constructor({ onForeign }: TegrastatsParserOptions = {}) {
    this.#onForeign = onForeign;
  }

  get counters(): TegrastatsCounters {
    return {
      bytes: this.#bytes,
      lines: this.#lines,
      foreign: this.#foreign,
      tooLong: this.#reader.tooLong(),
      unknownTokens: this.#unknownTokens,
    };
  }

  /** The samples of the lines that end in `chunk`. */
  push(chunk: Uint8Array): TegrastatsSample[] {
    const samples: TegrastatsSample[] = [];
    let from = 0;
    do {
      from += this.#reader.push(chunk, from);
      this.#take(samples);
    } while (from < chunk.length);
    this.#bytes += chunk.length;
    this.#tellForeign();
    return samples;
  }

  /** That of the last line, which has no end: what it says last may be cut off. The parser may be used on. */
  end(): TegrastatsSample[] {
    const samples: TegrastatsSample[] = [];
    this.#reader.end();
    this.#take(samples);
    this.#tellForeign();
    return samples;
  }

  #take(samples: TegrastatsSample[]): void {
    // A line is written whole or not at all, so what begins here ends here.
    for (let at = 0; this.#words[at] !== record.STOP; ) at = this.#takeLine(at, samples);
  }

  /** Returns where the next one begins. One loop and no method for each kind: a line has hundreds of words, and this is where most of its time goes. */
  #takeLine(begin: number, samples: TegrastatsSample[]): number {
    const words = this.#words;
    const sample = empty();
    let at = begin;
    for (;;) {
      const kind = words[at];
      switch (kind) {
        case record.END:
          sample.totalPower = totalPower(sample.rails);
          samples.push(sample);
          this.#lines++;
          this.#unknownTokens += sample.unknown.length;
          return at + 1;
        case record.FOREIGN:
          this.#lines++;
          this.#foreign++;
          if (this.#onForeign !== undefined) this.#foreignLines.push(this.#textAt(at + 1));
          return at + 3;
        case record.NAME:
          this.#names[words[at + 1] as number] = this.#textAt(at + 2);
          at += 4;
          break;
        case record.DATE:
          sample.date = this.#textAt(at + 1);
          at += 3;
          break;
        case record.RAM:
          sample.ram = memory(words, at + 1);
          at += 5;
          break;
        case record.SWAP:
          sample.swap = {
            usedMb: said(words[at + 1]),
            totalMb: said(words[at + 2]),
            cachedMb: said(words[at + 3]),
          };
          at += 4;
          break;
        case record.IRAM:
          sample.iram = memory(words, at + 1);
          at += 5;
          break;
        case record.MEMORY:
          sample.otherMemory.push({ name: this.#name(at + 1), ...memory(words, at + 2) });
          at += 6;
          break;
        case record.CPUS:
          sample.cpus = cores(words, at + 1);
          at += 2 + 2 * sample.cpus.length;
          break;
        case record.EMC:
          sample.emc = engine(words, at + 1);
          at += 3 + sample.emc.freqMhz.length;
          break;
        case record.GPU:
          sample.gpu = engine(words, at + 1);
          at += 3 + sample.gpu.freqMhz.length;
          break;
        case record.ENGINE: {
          const load = words[at + 2] as number;
          const freqMhz = frequencies(words, at + 3);
          const online = load !== record.OFF;
          sample.engines.push({ name: this.#name(at + 1), online, loadPercent: online ? said(load) : null, freqMhz });
          at += 4 + freqMhz.length;
          break;
        }
        case record.TEMPERATURE:
          sample.temperatures.push({
            name: this.#name(at + 1),
            tempC: said(words[at + 2]),
            peakC: said(words[at + 3]),
            constant: words[at + 4] === 1,
          });
          at += 5;
          break;
        case record.RAIL: {
          const name = this.#name(at + 1);
          sample.rails.push({
            name,
            index: countOf(sample.rails, name),
            powerMw: said(words[at + 2]),
            averageMw: said(words[at + 3]),
            peakMw: said(words[at + 4]),
          });
          at += 5;
          break;
        }
        case record.EDP_LIMIT:
          sample.edpLimitMhz = said(words[at + 1]);
          at += 2;
          break;
        case record.UNKNOWN:
          sample.unknown.push(this.#textAt(at + 1));
          at += 3;
          break;
        default:
          throw new Error(`the reader of tegrastats wrote an unknown record: ${kind}`);
      }
    }
  }

  /** Of a begin and a length at `at`. */
  #textAt(at: number): string {
    const begin = this.#words[at] as number;
    return this.#text.toString('utf8', begin, begin + (this.#words[at + 1] as number));
  }

  #name(at: number): string {
    return this.#names[this.#words[at] as number] as string;
  }

  #tellForeign(): void {
    if (this.#foreignLines.length === 0) return;
    const lines = this.#foreignLines;
    this.#foreignLines = [];
    for (const line of lines) this.#onForeign?.(line);
  }
}

/** A sample while it is put together. All of its fields from the start, so that all samples have one shape. */
interface Draft extends TegrastatsSample {
  date: string | null;
  ram: MemoryUse | null;
  swap: SwapUse | null;
  iram: MemoryUse | null;
  readonly otherMemory: NamedMemory[];
  edpLimitMhz: number | null;
  cpus: CoreLoad[];
  emc: EngineLoad | null;
  gpu: EngineLoad | null;
  readonly engines: NamedEngine[];
  readonly temperatures: Temperature[];
  readonly rails: Rail[];
  totalPower: TotalPower | null;
  readonly unknown: string[];
}

function empty(): Draft {
  return {
    date: null,
    ram: null,
    swap: null,
    iram: null,
    otherMemory: [],
    edpLimitMhz: null,
    cpus: [],
    emc: null,
    gpu: null,
    engines: [],
    temperatures: [],
    rails: [],
    totalPower: null,
    unknown: [],
  };
}

function said(word: number | undefined): number | null {
  return word === undefined || Number.isNaN(word) ? null : word;
}

function memory(words: Float64Array, at: number): MemoryUse {
  return {
    usedMb: said(words[at]),
    totalMb: said(words[at + 1]),
    largestFreeBlocks: said(words[at + 2]),
    largestFreeBlockMb: said(words[at + 3]),
  };
}

function cores(words: Float64Array, at: number): CoreLoad[] {
  const count = words[at] as number;
  // In its size from the start: one that grows takes room for 17.
  const all = new Array<CoreLoad>(count);
  for (let core = 0; core < count; core++) {
    const load = words[at + 1 + 2 * core] as number;
    const online = load !== record.OFF;
    all[core] = { online, loadPercent: online ? said(load) : null, freqMhz: said(words[at + 2 + 2 * core]) };
  }
  return all;
}

function engine(words: Float64Array, at: number): EngineLoad {
  const load = words[at] as number;
  const online = load !== record.OFF;
  return { online, loadPercent: online ? said(load) : null, freqMhz: frequencies(words, at + 1) };
}

function frequencies(words: Float64Array, at: number): (number | null)[] {
  const count = words[at] as number;
  if (count === 0) return [];
  if (count === 1) return [said(words[at + 1])];
  const all: (number | null)[] = [];
  for (let cluster = at + 1; cluster <= at + count; cluster++) all.push(said(words[cluster]));
  return all;
}

function countOf(rails: readonly Rail[], name: string): number {
  let count = 0;
  for (const rail of rails) if (rail.name === name) count++;
  return count;
}
