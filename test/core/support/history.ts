import { expect } from 'vitest';
import type { DispatchChoice, DispatchPolicy } from '../../../src/core/dispatch/dispatch-policy.js';
import type { FunctionRecord } from '../../../src/core/function-record.js';
import type { Invocation } from '../../../src/core/invocation.js';
import type { Container } from '../../../src/core/pool/container.js';
import { LruEviction } from '../../../src/core/pool/eviction/lru.js';
import { TtlEviction } from '../../../src/core/pool/eviction/ttl.js';
import { FcfsQueue } from '../../../src/core/queue/fcfs.js';
import { type GpuOptions, noGpus } from '../../../src/core/resources/gpu-options.js';
import type { PowerCapOptions } from '../../../src/core/resources/power-cap.js';
import { BAD_CODE, CRASH, Harness, LOST_RACE, OK, UNABLE, USER_ERROR } from './harness.js';
import { ADDRESSES, CPU_SLOTS, type Event, LIMITS, MEMORY_MB, QUEUE_LIMIT } from './history-events.js';

/** A queue that insists on seeing every invocation, and checks that it is told of every start and end. */
export class AccountingQueue extends FcfsQueue {
  override readonly bypassWhenEmpty = false;
  readonly inFlight = new Set<Invocation>();
  readonly faults: string[] = [];

  override started(invocation: Invocation): void {
    if (this.inFlight.has(invocation)) this.faults.push(`${invocation.id} started twice`);
    this.inFlight.add(invocation);
  }

  override ended(invocation: Invocation): void {
    if (!this.inFlight.delete(invocation)) this.faults.push(`${invocation.id} ended without a start`);
  }
}

/** Every choice there is, in turn. */
export class AnyDevice implements DispatchPolicy {
  #turn = 0;

  choose(): DispatchChoice {
    return (['all', 'cpu', 'gpu', 'all'] as const)[this.#turn++ % 4] as DispatchChoice;
  }

  ended(): void {}

  forget(): void {}
}

export class History {
  readonly harness: Harness;
  readonly queue: FcfsQueue;
  readonly gpuQueue = new AccountingQueue();
  readonly specs: object[];
  readonly gpu: GpuOptions;
  readonly eager: boolean;
  readonly accepted: Invocation[] = [];
  readonly functions: FunctionRecord[];
  readonly mostSlots: number;
  prewarmsAsked = 0;
  prewarmsSettled = 0;

  constructor(
    eviction: 'lru' | 'ttl',
    specs: object[],
    eager: boolean,
    gpu: GpuOptions = noGpus,
    addresses = Number.POSITIVE_INFINITY,
    power: PowerCapOptions | null = null,
  ) {
    this.specs = specs;
    this.gpu = gpu;
    this.eager = eager;
    this.mostSlots = gpu === noGpus ? CPU_SLOTS : 5;
    this.queue = eager ? new AccountingQueue() : new FcfsQueue();
    this.harness = new Harness({
      queueLimit: QUEUE_LIMIT,
      cpuSlots: CPU_SLOTS,
      memoryMb: MEMORY_MB,
      queues: { cpu: this.queue, gpu: this.gpuQueue },
      gpu,
      addresses,
      power,
      dispatch: new AnyDevice(),
      oversubscription: gpu === noGpus ? null : { maxSlots: 5, maxLoad: 1 },
      bypassUs: gpu === noGpus ? 0 : 50,
      eviction: () => (eviction === 'lru' ? new LruEviction() : new TtlEviction(100)),
    });
    this.functions = specs.map((over, i) => this.harness.register({ name: `f${i}`, ...over }));
    let echoes = 0;
    this.harness.sink.onSettled = (invocation, outcome) => {
      // A caller that comes back at once, from inside its answer; now and then, or it would never end.
      if (this.eager && outcome.errorClass === null && echoes++ % 3 === 0) this.invoke(invocation.fn);
    };
    if (eager) {
      // A port that answers from inside its commands, now and then.
      let calls = 0;
      this.harness.port.onRun = (_container, invocation) => {
        if (calls++ % 4 === 0) this.harness.complete(invocation);
      };
      this.harness.port.onCreate = (container) => {
        if (calls++ % 3 === 0) this.harness.ready(container);
        else if (calls % 7 === 0) this.harness.failed(LOST_RACE, container);
      };
      this.harness.port.onDestroy = (container) => {
        if (calls++ % 2 === 0) this.harness.gone(container);
      };
    }
  }

  /** Of the budget, for one container wherever it is. */
  mostMb({ spec }: FunctionRecord): number {
    return spec.memoryMb + (this.gpu.sharedMemory ? (spec.gpuMemoryMb ?? this.gpu.perFunctionMemoryMb) : 0);
  }

  invoke(fn: FunctionRecord): void {
    this.accepted.push(this.harness.invoke(fn));
  }

  apply({ kind, pick }: Event): void {
    const { harness } = this;
    const { engine, port } = harness;
    const choose = <T>(items: Iterable<T>): T | undefined => {
      const all = [...items];
      return all[pick % Math.max(1, all.length)];
    };
    const fn = choose(this.functions) as FunctionRecord;
    const creating = choose(port.creating);
    const run = choose(port.runs.keys());
    const alive = choose(port.ready);
    switch (kind) {
      case 'invoke':
        this.invoke(fn);
        break;
      case 'ready':
        if (creating !== undefined) harness.ready(creating);
        break;
      case 'start failed':
        if (creating !== undefined) harness.failed(BAD_CODE, creating);
        break;
      case 'lost race':
        if (creating !== undefined) harness.failed(LOST_RACE, creating);
        break;
      case 'not able':
        if (creating !== undefined) harness.failed(UNABLE, creating);
        break;
      case 'exit while creating':
        if (creating !== undefined) harness.exited(creating, pick % 2 === 0 ? CRASH : LOST_RACE);
        break;
      case 'complete':
        if (run !== undefined) harness.complete(run);
        break;
      case 'complete over memory':
        if (run !== undefined) harness.complete(run, { ...OK, overMb: run.fn.spec.memoryMb + 1 + (pick % 300) });
        break;
      case 'pressure': {
        const idle = engine.idleContainers;
        const evicted = engine.memoryPressure(pick % 3);
        // Answers from inside commands may make further ones idle meanwhile, which then go as well.
        expect(evicted).toBeGreaterThanOrEqual(Math.min(idle, pick % 3));
        expect(evicted).toBeLessThanOrEqual(this.eager ? pick % 3 : Math.min(idle, pick % 3));
        break;
      }
      case 'user error':
        if (run !== undefined) harness.complete(run, USER_ERROR);
        break;
      case 'out of memory':
        if (run !== undefined) harness.complete(run, { ...OK, errorClass: 'out_of_memory' });
        break;
      case 'exit':
        if (alive !== undefined) harness.exited(alive);
        break;
      case 'exit for a while':
        if (alive !== undefined) harness.exited(alive, LOST_RACE);
        break;
      case 'gone':
        if (port.destroying.size > 0) harness.gone(choose(port.destroying.keys()) as Container);
        break;
      case 'late': {
        // An answer for something that ended long ago, or from a container it is no longer on.
        const old = choose(this.accepted);
        if (old !== undefined && old.phase === 'settled' && old.container !== null)
          engine.completed(old.container, old, OK);
        break;
      }
      case 'time':
        harness.advance(pick * 200);
        break;
      case 'long time':
        harness.advance(pick * 2000);
        break;
      case 'abandon': {
        const one = choose(this.accepted);
        if (one !== undefined) engine.abandon(one);
        break;
      }
      case 'prewarm': {
        const count = 1 + (pick % 2);
        const fits = (fn.containers + count) * this.mostMb(fn) <= MEMORY_MB;
        if (fn.removed || !fits || fn.containers + count > (fn.spec.maxContainers ?? 1e9)) break;
        this.prewarmsAsked++;
        engine.prewarm(fn, count, { settled: () => this.prewarmsSettled++ });
        break;
      }
      case 'adopt':
        harness.adopt(fn);
        break;
      case 'adopt on a gpu':
        harness.adopt(fn, { device: 'gpu', gpu: pick % 3 });
        break;
      case 'clean':
        engine.clean();
        break;
      case 'unregister': {
        if (pick % 5 !== 0) break;
        const index = this.functions.indexOf(fn);
        engine.unregister(fn.key);
        this.functions[index] = harness.register({ name: `f${index}`, ...this.specs[index] });
        break;
      }
      case 'gpu lost':
        engine.gpuLost(pick % 3);
        for (const container of [...port.creating, ...port.ready]) {
          if (container.phase === 'destroying') harness.exited(container);
        }
        break;
      case 'gpu found':
        engine.gpuFound(pick % 3);
        break;
      case 'gpu busy':
        engine.gpuUtilization(pick % 2, 95);
        break;
      case 'gpu idle':
        engine.gpuUtilization(pick % 2, 5);
        break;
      case 'load':
        engine.cpuLoad((pick % 5) / 2);
        break;
      case 'gpu prewarm':
        if (fn.removed || !fn.spec.devices.includes('gpu')) break;
        if ((fn.containers + 1) * this.mostMb(fn) > MEMORY_MB || fn.containers >= (fn.spec.maxContainers ?? 1e9)) break;
        this.prewarmsAsked++;
        engine.prewarm(fn, 1, { settled: () => this.prewarmsSettled++ }, 'gpu');
        break;
      case 'power':
        engine.power({ watts: pick % 40, idleWatts: pick % 7, wattsPerCore: pick % 12, wattsPerGpu: pick % 30 });
        break;
      case 'another cap':
        engine.adjust({ ...LIMITS, capWatts: pick % 50 });
        break;
      case 'measured time':
        if (run !== undefined) harness.complete(run, { ...OK, cpuUs: pick });
        break;
      case 'fewer addresses':
        engine.addressesAvailable(pick % (ADDRESSES + 1));
        break;
      case 'all addresses':
        engine.addressesAvailable(ADDRESSES);
        break;
      case 'measured':
        if (alive !== undefined) engine.measured(alive, pick);
        break;
    }
  }

  check(): void {
    expect(this.harness.problems()).toEqual([]);
    if (this.queue instanceof AccountingQueue) {
      const { starting, running } = this.harness.engine.status();
      expect([...this.queue.faults, ...this.gpuQueue.faults]).toEqual([]);
      expect(this.queue.inFlight.size + this.gpuQueue.inFlight.size).toBe(starting + running);
    }
    const { memory, cpu } = this.harness.engine.status();
    expect(memory.runningMb + memory.cachedMb).toBe(memory.totalMb);
    expect(memory.totalMb).toBeLessThanOrEqual(MEMORY_MB);
    expect(cpu.used).toBeLessThanOrEqual(this.mostSlots);
    for (const invocation of this.accepted) {
      expect(this.harness.sink.outcomes.has(invocation)).toBe(invocation.phase === 'settled');
    }
  }

  /** Answers everything, until nothing is asked any more. */
  finish(gpuPercent = 0): void {
    const { harness } = this;
    const { port, engine } = harness;
    harness.sink.onSettled = null;
    for (const { index } of engine.status().gpus) engine.gpuFound(index);
    for (let round = 0; round < 1000; round++) {
      for (const { index } of engine.status().gpus) engine.gpuUtilization(index, gpuPercent);
      const busy = engine.open > 0 || port.creating.size > 0 || port.destroying.size > 0;
      if (!busy && this.prewarmsSettled === this.prewarmsAsked) break;
      // Nothing left to answer: what is open waits for a back-off to end.
      if (port.creating.size + port.runs.size + port.destroying.size === 0)
        harness.advance(Math.max(0, engine.nextDeadline() - harness.clock.time));
      for (const container of [...port.creating]) if (port.creating.has(container)) harness.ready(container);
      for (const invocation of [...port.runs.keys()]) if (port.runs.has(invocation)) harness.complete(invocation);
      for (const container of [...port.destroying.keys()]) if (port.destroying.has(container)) harness.gone(container);
      this.check();
    }
    expect(engine.open).toBe(0);
    expect(this.prewarmsSettled).toBe(this.prewarmsAsked);
    for (const fn of this.functions) engine.unregister(fn.key);
    let stopped = false;
    engine.stop(() => {
      stopped = true;
    });
    for (const container of [...port.destroying.keys()]) if (port.destroying.has(container)) harness.gone(container);
    expect(stopped).toBe(true);
    this.check();
    const { memory, cpu, queue, starting, running } = engine.status();
    expect(memory.overshootMb).toBe(0);
    expect({ memory: memory.totalMb, cpu: cpu.used, queue: queue.length, starting, running }).toEqual({
      memory: 0,
      cpu: 0,
      queue: 0,
      starting: 0,
      running: 0,
    });
    expect(this.accepted.every((invocation) => harness.sink.outcomes.has(invocation))).toBe(true);
    expect(engine.nextDeadline()).toBeGreaterThan(0);
    harness.advance(1e9);
    expect(engine.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  }
}
