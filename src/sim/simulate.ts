import { parseConfig } from '../config/load.js';
import type { WorkerConfig, WorkerConfigInput } from '../config/schema.js';
import { type EngineOptions, IluvatarError } from '../core/index.js';
import type { InvocationRow } from '../results/invocation-row.js';
import type { SecondRow } from '../results/second-row.js';
import type { RowSink } from '../tables/sink.js';
import type { TraceSource } from '../traces/trace-source.js';
import type { PowerModel } from './simulated-power.js';
import type { SimulatedMachine } from './simulated-worker.js';
import { type FunctionDefaults, type SimulationPlan, type SimulationProgress, TraceRun } from './simulation.js';
import type { SimulationSummary } from './summary.js';
import { ConstantTimes, LogNormalTimes, MeasuredTimes, type TimeModel } from './time-model.js';
import { type FailureRates, NO_FAILURES } from './trace-model.js';

export interface SimulationOptions {
  readonly trace: TraceSource;
  /** As a worker's: of its options those count that the engine has. */
  readonly config?: WorkerConfigInput;
  /** Of all chance; the configuration's unless given. */
  readonly seed?: number;
  /** The machine that `cpu.slots: 0` and `memory.budgetMb: 0` mean; 12 cores and 20,480 MiB unless given. */
  readonly machine?: Partial<SimulatedMachine>;
  /** How long things take: the trace's own times (`constant`) unless given. `log-normal` varies them, `registration` draws from what functions were registered with. */
  readonly times?: 'constant' | 'log-normal' | 'registration' | TimeModel;
  /** Of `log-normal`: standard deviation of the logarithm. */
  readonly sigma?: number;
  /** Models the machine's power, of which `energy.cap` can hold invocations back; not modelled unless given. */
  readonly power?: PowerModel;
  /** Chances of failures, 0 unless given. */
  readonly failures?: Partial<FailureRates>;
  /** From the command to destroy a container until its memory is free; ms. */
  readonly destructionMs?: number;
  /** What the trace does not say about its functions. */
  readonly functions?: Partial<FunctionDefaults>;
  readonly rows?: RowSink<InvocationRow> | null;
  readonly series?: RowSink<SecondRow> | null;
  /** Iterate over the seconds as well. */
  readonly seconds?: boolean;
  readonly progress?: (progress: SimulationProgress) => void;
  /** The last word about the engine's options: for policies that have no name. */
  readonly adapt?: (options: EngineOptions) => EngineOptions;
}

/** A row, with what kind it is. */
export type SimulationEvent =
  | ({ readonly kind: 'invocation' } & Readonly<InvocationRow>)
  | ({ readonly kind: 'second' } & Readonly<SecondRow>);

const MACHINE: SimulatedMachine = { cores: 12, memoryMb: 20_480 };
const DEFAULTS: FunctionDefaults = { cpus: 1, concurrency: 1, maxContainers: null, timeoutMs: 60_000, retries: 0 };
const DEFAULT_SIGMA = 0.25;

/**
 * Runs a trace through the engine that a live worker has, on a clock that jumps from event to event:
 *
 * ```ts
 * const summary = await simulate({ trace, config: { keepAlive: { policy: 'ttl' } }, seed: 7 }).summary();
 * for await (const event of simulate({ trace })) console.log(event);
 * ```
 *
 * The same options give the same events and the same summary, on any machine. Nothing happens before `summary` is called or the iteration begins. Throws
 * IluvatarError `invalid` for a configuration, trace or function that cannot be.
 */
export function simulate(options: SimulationOptions): Simulation {
  return new Simulation(options);
}

export class Simulation implements AsyncIterable<SimulationEvent> {
  readonly #options: SimulationOptions;
  #summary: Promise<SimulationSummary> | null = null;

  constructor(options: SimulationOptions) {
    this.#options = options;
  }

  /** Runs it, unless it has run, and resolves at its end. */
  summary(): Promise<SimulationSummary> {
    this.#summary ??= summaryOf(this.#options);
    return this.#summary;
  }

  /** Each invocation when it ends, and each second if so wished, in the order in which they happen. Can be iterated once; `summary` is there afterwards. */
  async *[Symbol.asyncIterator](): AsyncGenerator<SimulationEvent, void> {
    const waiting: SimulationEvent[] = [];
    const { rows = null, series = null, seconds = false } = this.#options;
    const steps = new TraceRun(
      planOf({
        ...this.#options,
        rows: new Tee(rows, (row) => waiting.push({ kind: 'invocation', ...row })),
        series: seconds ? new Tee(series, (row) => waiting.push({ kind: 'second', ...row })) : series,
      }),
    ).steps();
    try {
      for (;;) {
        const { done, value } = await steps.next();
        yield* waiting;
        waiting.length = 0;
        if (done !== true) continue;
        this.#summary = Promise.resolve(value);
        return;
      }
    } finally {
      await steps.return(undefined as never);
    }
  }
}

/** A sink that also shows each row to somebody. */
class Tee<Row> implements RowSink<Row> {
  readonly #sink: RowSink<Row> | null;
  readonly #show: (row: Readonly<Row>) => void;

  constructor(sink: RowSink<Row> | null, show: (row: Readonly<Row>) => void) {
    this.#sink = sink;
    this.#show = show;
  }

  row(row: Readonly<Row>): void {
    this.#show(row);
    this.#sink?.row(row);
  }

  backlog(): Promise<void> | null {
    return this.#sink?.backlog() ?? null;
  }

  async end(): Promise<void> {
    await this.#sink?.end();
  }
}

async function summaryOf(options: SimulationOptions): Promise<SimulationSummary> {
  const steps = new TraceRun(planOf(options)).steps();
  for (;;) {
    const { done, value } = await steps.next();
    if (done === true) return value;
  }
}

function planOf(options: SimulationOptions): SimulationPlan {
  const { trace, times = 'constant', sigma = DEFAULT_SIGMA, destructionMs = 1 } = options;
  const config = parseConfig(options.config ?? {});
  const seed = options.seed ?? config.seed;
  const machine = { ...MACHINE, ...options.machine };
  const { power = null } = options;
  if (power === null && config.energy.cap.watts > 0) {
    throw new IluvatarError('invalid', 'energy.cap.watts needs a modelled machine’s power: give one (power)');
  }
  return {
    trace,
    settings: { ...config, seed, energy: { ...config.energy, source: power === null ? 'none' : 'modelled' } },
    machine,
    cancelGraceUs: config.sandbox.killGraceMs * 1000,
    loadEveryUs: oversubscribes(config, machine) ? config.cpu.oversubscribe.checkMs * 1000 : 0,
    power,
    powerEveryUs: config.energy.periodMs * 1000,
    times: typeof times === 'string' ? timesOf(times, sigma, seed) : times,
    failures: { ...NO_FAILURES, ...options.failures },
    destructionUs: Math.round(destructionMs * 1000),
    functions: { ...DEFAULTS, ...options.functions },
    rows: options.rows ?? null,
    series: options.series ?? null,
    progress: options.progress ?? null,
    adapt: options.adapt,
  };
}

function oversubscribes({ cpu }: WorkerConfig, { cores }: SimulatedMachine): boolean {
  return cpu.oversubscribe.maxSlots > (cpu.slots === 0 ? cores : cpu.slots);
}

function timesOf(name: 'constant' | 'log-normal' | 'registration', sigma: number, seed: number): TimeModel {
  switch (name) {
    case 'constant':
      return new ConstantTimes();
    case 'log-normal':
      return new LogNormalTimes(sigma, seed);
    case 'registration':
      return new MeasuredTimes((fn, device) => fn.timings?.[device] ?? null, seed);
  }
}
