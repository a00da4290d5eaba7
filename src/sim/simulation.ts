import type { EngineSettings } from '../core/index.js';
import {
  type EngineOptions,
  type FunctionRecord,
  IluvatarError,
  type Invocation,
  type Outcome,
} from '../core/index.js';
import type { InvocationRow } from '../results/invocation-row.js';
import type { SecondRow } from '../results/second-row.js';
import type { RowSink } from '../tables/sink.js';
import type { ArrivalBatch, TraceFunction, TraceSource } from '../traces/trace-source.js';
import { EVENT } from './event-heap.js';
import { type PowerModel, SimulatedPower } from './simulated-power.js';
import { BACKEND, type SimulatedMachine, SimulatedWorker } from './simulated-worker.js';
import { type PowerSummary, Recorder, type SimulationSummary } from './summary.js';
import { type TimeModel, warmUs } from './time-model.js';
import { type FailureRates, TraceModel } from './trace-model.js';

/** What a trace does not say about its functions. */
export interface FunctionDefaults {
  readonly cpus: number;
  readonly concurrency: number;
  readonly maxContainers: number | null;
  readonly timeoutMs: number;
  readonly retries: number;
}

export interface SimulationProgress {
  readonly invocations: number;
  /** Since the beginning of the trace; µs. */
  readonly simulatedUs: number;
}

/** Everything decided; `simulate` fills in what a caller leaves out. */
export interface SimulationPlan {
  readonly trace: TraceSource;
  readonly settings: EngineSettings;
  readonly machine: SimulatedMachine;
  readonly cancelGraceUs: number;
  /** How often the machine's load is looked at, for CPU slots that depend on it; µs, 0 = never. */
  readonly loadEveryUs: number;
  /** null = the machine’s power is not modelled. */
  readonly power: PowerModel | null;
  /** How often it is read; µs. */
  readonly powerEveryUs: number;
  readonly times: TimeModel;
  readonly failures: FailureRates;
  /** From the command to destroy a container until its memory is free; µs. */
  readonly destructionUs: number;
  readonly functions: FunctionDefaults;
  readonly rows: RowSink<InvocationRow> | null;
  readonly series: RowSink<SecondRow> | null;
  readonly progress: ((progress: SimulationProgress) => void) | null;
  readonly adapt?: ((options: EngineOptions) => EngineOptions) | undefined;
}

/** One run of a trace through an engine. */
export class TraceRun {
  readonly worker: SimulatedWorker;
  readonly #plan: SimulationPlan;
  readonly #recorder: Recorder;
  readonly #records: FunctionRecord[];
  readonly #row = newRow();
  readonly #rowSink: RowSink<InvocationRow> | null;
  #beganAt = 0;
  #nextSecond = 0;
  #joules = 0;
  #load = 0;

  constructor(plan: SimulationPlan) {
    const { trace, settings, machine, times, failures, destructionUs, cancelGraceUs, adapt } = plan;
    const { functions } = trace;
    this.#plan = plan;
    this.#rowSink = plan.rows;
    const model = new TraceModel(functions, times, failures, destructionUs, settings.seed);
    this.worker = new SimulatedWorker({ settings, machine, model, cancelGraceUs, adapt });
    const { clock, engine } = this.worker;
    if (plan.power !== null) this.worker.port.power = new SimulatedPower(plan.power, machine.cores);
    this.#recorder = new Recorder(
      functions.flatMap((fn) => [warmUs(fn, 'cpu'), warmUs(fn, 'gpu')]),
      () => clock.time,
    );
    if (plan.rows !== null)
      this.#recorder.observer = (invocation, outcome, now) => this.#write(invocation, outcome, now);
    this.#records = functions.map((fn) => engine.register(specOf(fn, plan.functions)));
  }

  /** Batch by batch, giving the caller its turn after each; the summary at the end. The sinks are ended whatever happens. */
  async *steps(): AsyncGenerator<void, SimulationSummary> {
    const { trace, rows, series, progress } = this.#plan;
    const { clock, engine } = this.worker;
    try {
      this.#prewarm(trace.functions);
      if (this.#plan.loadEveryUs > 0) this.#readLoad();
      if (this.#plan.power !== null) this.#readPower();
      this.#beganAt = clock.time;
      this.worker.port.memory.begin(clock.time);
      if (series !== null) this.#nextSecond = this.#beganAt;
      this.#joules = this.worker.port.power?.joulesAt(clock.time) ?? 0;
      for await (const batch of trace.arrivals()) {
        this.#feed(batch);
        progress?.({ invocations: engine.counters.invocations, simulatedUs: clock.time - this.#beganAt });
        yield;
        const backlog = [rows?.backlog() ?? null, series?.backlog() ?? null].filter((waiting) => waiting !== null);
        if (backlog.length > 0) await Promise.all(backlog);
      }
      while (engine.open > 0) this.#advance(this.worker.upcoming('not everything is answered'), true);
      const { memory } = this.worker.port;
      memory.advance(clock.time);
      const events = this.worker.events + engine.counters.invocations;
      yield;
      return { ...this.#recorder.summary(engine, memory, this.#beganAt, events), power: this.#power() };
    } finally {
      await Promise.all([rows?.end(), series?.end()]);
    }
  }

  #prewarm(functions: readonly TraceFunction[]): void {
    const { engine } = this.worker;
    let waiting = 0;
    functions.forEach((fn, index) => {
      if (fn.prewarms === 0) return;
      waiting++;
      const settled = (): void => {
        waiting--;
      };
      engine.prewarm(this.#records[index] as FunctionRecord, fn.prewarms, { settled });
    });
    while (waiting > 0) this.worker.advance(this.worker.upcoming('functions wait to be prewarmed'), true);
  }

  #feed(batch: ArrivalBatch): void {
    const { count, atUs, fn } = batch;
    const { engine, clock } = this.worker;
    const beganAt = this.#beganAt;
    for (let i = 0; i < count; i++) {
      const at = beganAt + (atUs[i] as number);
      if (at < clock.time) throw new IluvatarError('invalid', `the trace goes back in time, to ${atUs[i]} µs`);
      this.#advance(at);
      engine.invoke(this.#records[fn[i] as number] as FunctionRecord, null, 0, '', this.#recorder);
    }
  }

  #advance(at: number, through = false): void {
    const { series } = this.#plan;
    if (series !== null) {
      for (; this.#nextSecond <= at; this.#nextSecond += 1e6) {
        this.worker.advance(this.#nextSecond);
        this.#sample(series);
      }
    }
    this.worker.advance(at, through);
  }

  /**
   * The machine's load as the kernel would average it, from what runs. Each reading arms the next one: the only thing in a simulation that happens
   * although nothing has happened, and only when CPU slots depend on it.
   */
  #readLoad(): void {
    const { engine, clock, port } = this.worker;
    this.#load = 0.5 * (engine.status().running + 0.5) + 0.5 * this.#load;
    engine.cpuLoad(this.#load / this.#plan.machine.cores);
    port.events.push(clock.time + this.#plan.loadEveryUs, EVENT.call, null, null, 0, () => this.#readLoad());
  }

  /** As a live worker's meter does. */
  #readPower(): void {
    const { engine, clock, port } = this.worker;
    const figures = port.power?.read(clock.time) ?? null;
    if (figures !== null) engine.power(figures);
    port.events.push(clock.time + this.#plan.powerEveryUs, EVENT.call, null, null, 0, () => this.#readPower());
  }

  #power(): PowerSummary | null {
    const { port, engine } = this.worker;
    if (port.power === null) return null;
    const { totals, maxWatts, readUs } = port.power;
    const { measuredUj, invocationsUj, idleUj, otherUj } = totals;
    const { holds = 0, forced = 0 } = engine.status().powerCap ?? {};
    return {
      meanWatts: readUs === 0 ? 0 : measuredUj / readUs,
      maxWatts,
      joules: {
        measured: measuredUj / 1e6,
        invocations: invocationsUj / 1e6,
        idle: idleUj / 1e6,
        other: otherUj / 1e6,
      },
      holds,
      forced,
    };
  }

  /** Mean power since the second before; mW, -1 = not modelled. */
  #powerMw(): number {
    const { port, clock } = this.worker;
    if (port.power === null) return -1;
    const before = this.#joules;
    this.#joules = port.power.joulesAt(clock.time);
    return Math.round(1000 * (this.#joules - before));
  }

  #sample(series: RowSink<SecondRow>): void {
    const { memory, cpu, queue, queues, starting, running } = this.worker.engine.status();
    series.row({
      second: (this.#nextSecond - this.#beganAt) / 1e6,
      runningMb: memory.runningMb,
      cachedMb: memory.cachedMb,
      runningContainers: memory.runningContainers,
      cachedContainers: memory.cachedContainers,
      queued: queue.length,
      queuedGpu: queues.gpu.length,
      running,
      starting,
      busySlots: cpu.used,
      powerMw: this.#powerMw(),
    });
  }

  #write(invocation: Invocation, outcome: Outcome, now: number): void {
    const row = this.#row;
    const { fn, enqueuedAt, dispatchedAt, runningAt, container, containerState } = invocation;
    row.tid = String(invocation.id);
    row.fn = fn.key;
    row.arrivalUs = enqueuedAt - this.#beganAt;
    row.queueUs = (dispatchedAt === 0 ? now : dispatchedAt) - enqueuedAt;
    row.startUs = runningAt === 0 ? -1 : runningAt - this.#beganAt;
    row.endUs = now - this.#beganAt;
    row.device = container === null || container.gpu < 0 ? invocation.device : `gpu${container.gpu}`;
    row.container = container === null ? 0 : container.id;
    row.state = containerState ?? '';
    row.attempts = invocation.attempts;
    row.outcome = outcome.errorClass ?? 'ok';
    (this.#rowSink as RowSink<InvocationRow>).row(row);
  }
}

function newRow(): InvocationRow {
  return {
    tid: '',
    fn: '',
    arrivalUs: 0,
    queueUs: 0,
    startUs: 0,
    endUs: 0,
    device: '',
    container: 0,
    state: '',
    attempts: 0,
    outcome: '',
  };
}

function specOf(fn: TraceFunction, defaults: FunctionDefaults) {
  const { name, version, memoryMb, devices } = fn;
  return { name, version, memoryMb, devices, backends: [BACKEND], queueLimit: null, keepAliveMs: null, ...defaults };
}
