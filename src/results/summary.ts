import { type DetailedDistribution, detailedDistributionOf } from './distribution.js';
import { type GeneratorFacts, type GeneratorSummary, generatorSummary } from './generator.js';
import { Histogram } from './histogram.js';
import {
  type Counts,
  type EnergySummary,
  isAnswered,
  type MeasuredUs,
  MeasureHistograms,
  type ResultRow,
} from './measures.js';
import { type StepSummary, StepTotals } from './steps.js';

/** A run in numbers, computed here and nowhere else, from rows one by one in bounded memory. */

export interface RunSummary extends GroupSummary {
  readonly format: 'iluvatar.summary';
  /** One more when a field has changed its meaning or gone. */
  readonly version: 1;
  /** By outcome: `ok` and the error classes that occurred. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** By what they found; of those of which the worker says it. */
  readonly states: Readonly<Record<string, number>>;
  /** When the first was meant to be sent, when the last, and when the last was answered; µs since the beginning of the run. Null = it is not known when they happened. */
  readonly window: {
    readonly firstArrivalUs: number;
    readonly lastArrivalUs: number;
    readonly lastEndUs: number;
  } | null;
  /** Per second of the window: those that were meant to be sent, those that were answered, and of these the successful ones. */
  readonly rates: { readonly offered: number; readonly answered: number; readonly succeeded: number } | null;
  /** Whose word the functions' own time is, in `overhead`: invocations of each. */
  readonly ownTime: { readonly byFunction: number; readonly byWorker: number };
  readonly errors: readonly ErrorSummary[];
  readonly generator: GeneratorSummary;
  /** Those with the most invocations first; the rest together is `otherFunctions`. */
  readonly functions: readonly FunctionSummary[];
  readonly otherFunctions: (GroupSummary & { readonly functions: number }) | null;
  /** Of a scaling run, by number of clients; else empty. */
  readonly steps: readonly StepSummary[];
}

export interface GroupSummary {
  readonly invocations: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Those that found a cold container, by the worker's word. */
  readonly cold: number;
  /** Cold ones among those of which it says what they found; null = it says of none. */
  readonly coldRatio: number | null;
  /** The same by the functions' own word. */
  readonly codeColdRatio: number | null;
  /** null = the worker says it of none. */
  readonly energy: EnergySummary | null;
  /** Of those that the function itself has ended, well or with an error of its own; `lag` of all that were sent. */
  readonly us: MeasuredUs;
  /** Latency divided by the function's warm time; in thousandths. Of those whose warm time is known: see `count`. */
  readonly slowdown: DetailedDistribution;
}

export interface FunctionSummary extends GroupSummary {
  /** `name@version` */
  readonly fn: string;
  /** What slowdown is relative to, and where it is from; null = no warm run was seen, and none was given. */
  readonly warm: { readonly us: number; readonly from: WarmTime } | null;
}

export interface ErrorSummary {
  readonly outcome: string;
  readonly count: number;
  /** Of all invocations; 0 … 1. */
  readonly share: number;
  /** The first of its class. */
  readonly example: { readonly tid: string; readonly fn: string; readonly error: string };
}

/** `given` by the user; else of the warm runs seen, what the function itself took: the least or the median. */
export type WarmTime = 'given' | 'least' | 'median';

export interface SummaryOptions {
  /** Warm times in µs by `name@version`, or by name. */
  readonly warmUs?: ReadonlyMap<string, number>;
  /** Of functions without a given one; `median` unless said otherwise: the least of many is a matter of luck, and makes every slowdown look worse. */
  readonly warmTime?: Exclude<WarmTime, 'given'>;
  /** Functions with numbers of their own, 100 unless said otherwise: each takes up to 0.3 MiB. The first so many that are seen. */
  readonly maxFunctions?: number;
  /** False = rows say how long things took, and not when they happened. */
  readonly timed?: boolean;
}

const MAX_FUNCTIONS = 100;
/** Longer texts of errors are cut: they may hold a whole traceback. */
const EXAMPLE_LENGTH = 500;

export class SummaryBuilder {
  readonly #options: SummaryOptions;
  readonly #functions = new Map<string, MeasureHistograms>();
  readonly #others = new MeasureHistograms();
  readonly #otherSlowdown = new Histogram();
  readonly #otherNames = new Set<string>();
  readonly #outcomes = new Map<string, number>();
  readonly #states = new Map<string, number>();
  readonly #examples = new Map<string, ErrorSummary['example']>();
  readonly #steps = new StepTotals();
  #first = Number.POSITIVE_INFINITY;
  #last = 0;
  #end = 0;
  #answered = 0;
  #unsent = 0;

  constructor(options: SummaryOptions = {}) {
    this.#options = options;
  }

  /** Copies what it needs: the same object may be filled again. */
  add(row: Readonly<ResultRow>): void {
    const { fn, arrivalUs, endUs, outcome, state } = row;
    if (arrivalUs < this.#first) this.#first = arrivalUs;
    if (arrivalUs > this.#last) this.#last = arrivalUs;
    if (endUs > this.#end) this.#end = endUs;
    if (isAnswered(row)) this.#answered++;
    if (row.sentUs === -1) this.#unsent++;
    count(this.#outcomes, outcome);
    if (state !== '') count(this.#states, state);
    if (outcome !== 'ok' && !this.#examples.has(outcome)) {
      this.#examples.set(outcome, { tid: row.tid, fn, error: (row.error ?? '').slice(0, EXAMPLE_LENGTH) });
    }
    this.#steps.add(row);
    this.#groupOf(row).add(row);
  }

  /** `generator`: what its driver knows besides the rows. */
  summary(generator: GeneratorFacts = {}): RunSummary {
    const all = new MeasureHistograms();
    const slowdown = new Histogram();
    all.merge(this.#others);
    slowdown.merge(this.#otherSlowdown);
    const functions = [...this.#functions].map(([fn, measures]): FunctionSummary => {
      const warm = this.#warmOf(fn, measures);
      const own = new Histogram();
      if (warm !== null) own.merge(measures.of('latency'), 1000 / warm.us);
      all.merge(measures);
      slowdown.merge(own);
      return { fn, warm, ...groupSummary(measures, own) };
    });
    functions.sort((a, b) => b.invocations - a.invocations || (a.fn < b.fn ? -1 : 1));
    const { invocations } = all.counts;
    const firstArrivalUs = invocations === 0 ? 0 : this.#first;
    const seconds = Math.max(0, this.#end - firstArrivalUs) / 1e6;
    const arriving = Math.max(0, this.#last - firstArrivalUs) / 1e6;
    const perSecond = (n: number, of: number): number => (of === 0 ? 0 : n / of);
    const group = groupSummary(all, slowdown);
    const { timed = true } = this.#options;
    return {
      format: 'iluvatar.summary',
      version: 1,
      ...group,
      outcomes: sorted(this.#outcomes, 'ok'),
      states: sorted(this.#states),
      window: timed ? { firstArrivalUs, lastArrivalUs: this.#last, lastEndUs: this.#end } : null,
      rates: timed
        ? {
            // n arrivals have n - 1 gaps.
            offered: perSecond(Math.max(0, invocations - 1), arriving),
            answered: perSecond(this.#answered, seconds),
            succeeded: perSecond(all.counts.ok, seconds),
          }
        : null,
      ownTime: { byFunction: all.ownByFunction, byWorker: all.ownByWorker },
      errors: this.#errors(invocations),
      generator: generatorSummary(group.us.lag, this.#unsent, generator),
      functions,
      otherFunctions:
        this.#otherNames.size === 0
          ? null
          : { functions: this.#otherNames.size, ...groupSummary(this.#others, this.#otherSlowdown) },
      steps: this.#steps.summaries(),
    };
  }

  #groupOf(row: Readonly<ResultRow>): MeasureHistograms {
    const { fn } = row;
    const known = this.#functions.get(fn);
    if (known !== undefined) return known;
    if (this.#functions.size < (this.#options.maxFunctions ?? MAX_FUNCTIONS)) {
      const measures = new MeasureHistograms();
      this.#functions.set(fn, measures);
      return measures;
    }
    this.#otherNames.add(fn);
    // Without numbers of its own its warm time cannot be found; a given one is known at once.
    const given = this.#given(fn);
    if (given !== undefined && isAnswered(row)) {
      this.#otherSlowdown.add(Math.round((1000 * Math.max(0, row.endUs - row.arrivalUs)) / given));
    }
    return this.#others;
  }

  #given(fn: string): number | undefined {
    const { warmUs } = this.#options;
    const us = warmUs?.get(fn) ?? warmUs?.get(fn.slice(0, Math.max(0, fn.lastIndexOf('@'))));
    return us === undefined ? undefined : Math.max(1, us);
  }

  #warmOf(fn: string, { warm }: MeasureHistograms): FunctionSummary['warm'] {
    const given = this.#given(fn);
    if (given !== undefined) return { us: given, from: 'given' };
    if (warm.count === 0) return null;
    const from = this.#options.warmTime ?? 'median';
    return { us: Math.max(1, from === 'least' ? warm.min : warm.quantile(0.5)), from };
  }

  #errors(invocations: number): ErrorSummary[] {
    return [...this.#examples]
      .map(([outcome, example]) => {
        const count = this.#outcomes.get(outcome) as number;
        return { outcome, count, share: count / invocations, example };
      })
      .sort((a, b) => b.count - a.count || (a.outcome < b.outcome ? -1 : 1));
  }
}

function groupSummary(measures: MeasureHistograms, slowdown: Histogram): GroupSummary {
  const { invocations, ok, cold, coldRatio, codeColdRatio, energy }: Counts = measures.counts;
  return {
    invocations,
    succeeded: ok,
    failed: invocations - ok,
    cold,
    coldRatio,
    codeColdRatio,
    energy,
    us: measures.distributions(),
    slowdown: detailedDistributionOf(slowdown, 1000),
  };
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function sorted(counts: ReadonlyMap<string, number>, first?: string): Record<string, number> {
  const keys = [...counts.keys()].filter((key) => key !== first).sort();
  const all = first === undefined ? keys : [first, ...keys];
  return Object.fromEntries(all.map((key) => [key, counts.get(key) ?? 0]));
}
