import { CpuOnlyDispatch } from '../src/core/dispatch/cpu-only.js';
import {
  type Container,
  type ContainerPort,
  Engine,
  type EvictionPolicy,
  type FunctionRecord,
  type Invocation,
  type InvocationSink,
  type Outcome,
  silentLog,
} from '../src/core/index.js';
import { LruEviction } from '../src/core/pool/eviction/lru.js';
import { TtlEviction } from '../src/core/pool/eviction/ttl.js';
import { FcfsQueue } from '../src/core/queue/fcfs.js';
import { noGpus } from '../src/core/resources/gpu-options.js';
import { functionSpec } from './lib/function-spec.js';
import { atMost, type Bench, machine, median } from './lib/result.js';

/**
 * What the engine itself costs: nanoseconds from `invoke` to the settled answer of a warm invocation, through a port that does nothing. Beside it the floor: the same
 * calls through the same interfaces with a bare stack of containers in between, so that what is left is what deciding costs.
 */

interface Figures {
  readonly warmNs: number;
  readonly warmTtlNs: number;
  readonly queuedNs: number;
  readonly floorNs: number;
}

const DONE: Outcome = { errorClass: null, message: null, details: null, payload: null, runUs: 10 };

const SPEC = functionSpec();

class TrivialPort implements ContainerPort {
  container: Container | null = null;
  invocation: Invocation | null = null;
  readonly created: Container[] = [];

  create(container: Container): void {
    this.created.push(container);
  }

  run(container: Container, invocation: Invocation): void {
    this.container = container;
    this.invocation = invocation;
  }

  cancel(): void {}
  destroy(): void {}
}

class CountingSink implements InvocationSink {
  settledCount = 0;
  settled(): void {
    this.settledCount++;
  }
}

class Rig {
  time = 0;
  readonly port = new TrivialPort();
  readonly sink = new CountingSink();
  readonly engine: Engine;
  readonly fn: FunctionRecord;

  constructor(eviction: EvictionPolicy, cpuSlots: number) {
    this.engine = new Engine({
      clock: { now: () => this.time },
      port: this.port,
      queues: { cpu: new FcfsQueue(), gpu: new FcfsQueue() },
      eviction: () => eviction,
      dispatch: new CpuOnlyDispatch(),
      backends: ['none'],
      gpu: noGpus,
      bypassUs: 0,
      oversubscription: null,
      power: null,
      cpuSlots,
      memoryMb: 1000,
      addresses: Number.POSITIVE_INFINITY,
      bufferMb: 0,
      queueLimit: 1000,
      dropAbandoned: true,
      cancelGraceUs: 0,
      create: {
        attempts: 1,
        backOffUs: 0,
        maxBackOffUs: 0,
        jitter: 0,
        random: () => 0,
        fallBack: false,
        breaker: { failures: 1, openUs: 0 },
      },
      discard() {},
      log: silentLog,
    });
    this.fn = this.engine.register(SPEC);
    for (let i = 0; i < 8; i++) this.engine.prewarm(this.fn, 1, { settled() {} });
    for (const container of this.port.created) this.engine.containerReady(container);
  }

  invoke(): void {
    this.time += 10;
    this.engine.invoke(this.fn, null, 0, 'bench', this.sink);
  }

  complete(): void {
    const { container, invocation } = this.port;
    this.time += 10;
    if (container !== null && invocation !== null) this.engine.completed(container, invocation, DONE);
  }
}

function warm(rig: Rig, count: number): number {
  return timed(count, () => {
    for (let i = 0; i < count; i++) {
      rig.invoke();
      rig.complete();
    }
  });
}

/** One CPU slot and always four queued: every invocation goes through the queue policy. */
function queued(rig: Rig, count: number): number {
  for (let i = 0; i < 4; i++) rig.invoke();
  const ns = timed(count, () => {
    for (let i = 0; i < count; i++) {
      rig.invoke();
      rig.complete();
    }
  });
  for (let i = 0; i < 4; i++) rig.complete();
  return ns;
}

/** The same events and commands, and nothing decided: a stack of names and one object an invocation. */
function floor(count: number): number {
  const stack = [1, 2, 3, 4, 5, 6, 7, 8];
  const sink = new CountingSink();
  let last: { id: number; container: number; sink: CountingSink; at: number } | null = null;
  return timed(count, () => {
    for (let i = 0; i < count; i++) {
      last = { id: i, container: stack.pop() ?? 0, sink, at: i * 10 };
      stack.push(last.container);
      last.sink.settled();
    }
  });
}

function timed(count: number, work: () => void): number {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start) / count;
}

/** `count` invocations a round; the rounds of all variants are interleaved. ns an invocation, medians of the rounds. */
function measure(count: number, rounds: number): Figures {
  const lru = new Rig(new LruEviction(), 8);
  const ttl = new Rig(new TtlEviction(600_000), 8);
  const single = new Rig(new LruEviction(), 1);
  const times = { warm: [] as number[], ttl: [] as number[], queued: [] as number[], floor: [] as number[] };
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    const measured = {
      warm: warm(lru, count),
      ttl: warm(ttl, count),
      queued: queued(single, count),
      floor: floor(count),
    };
    if (round < 0) continue;
    times.warm.push(measured.warm);
    times.ttl.push(measured.ttl);
    times.queued.push(measured.queued);
    times.floor.push(measured.floor);
  }
  return {
    warmNs: median(times.warm),
    warmTtlNs: median(times.ttl),
    queuedNs: median(times.queued),
    floorNs: median(times.floor),
  };
}

/** Rounds before the first that counts: the compiler has not seen the code yet. */
const WARM_UP_ROUNDS = 2;

export const bench: Bench = {
  name: 'engine',
  title: 'The engine alone: one warm invocation from invoke to its settled answer, through a port that does nothing',
  run({ long }) {
    const { warmNs, warmTtlNs, queuedNs, floorNs } = measure(200_000, long ? 25 : 7);
    return Promise.resolve({
      name: 'engine',
      machine: machine(),
      figures: { warmNs, warmTtlNs, queuedNs },
      floor: { floorNs },
      ratios: { warmToFloor: warmNs / floorNs },
      targets: [atMost('warm invocation through the engine, ns', warmNs, 1000)],
      notes: ['floor: the same calls with a bare stack of containers and nothing decided'],
    });
  },
};
