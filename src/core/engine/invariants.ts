import type { ContainerEntry } from '../pool/container-entry.js';
import type { ContainerPool } from '../pool/container-pool.js';
import type { FunctionEntry } from './function-entry.js';
import type { FunctionLane } from './function-lane.js';
import type { InvocationEntry, InvocationList } from './invocation-entry.js';
import type { Settlement } from './settlement.js';
import type { EngineParts } from './status.js';

/**
 * What is wrong with an engine's books, as sentences; empty when all is well. Walks over everything, and is called after every event of a fuzzed history: so nothing is
 * allocated and no sentence is put together unless something is wrong.
 */
export function violations(functions: readonly FunctionEntry[], parts: EngineParts, settlement: Settlement): string[] {
  return new Audit(parts).run(functions, settlement);
}

/** One GPU, counted. */
class GpuCount {
  tokens = 0;
  containers = 0;
  mb = 0;
  idle = 0;
  idleMb = 0;
  leaving = 0;
  leavingMb = 0;
}

class Audit {
  readonly #found: string[] = [];
  readonly #p: EngineParts;
  readonly #gpus: GpuCount[] = [];
  readonly #queuedFor = { cpu: 0, gpu: 0 };
  readonly #parked = { cpu: 0, gpu: 0 };
  readonly #activeOn = { cpu: 0, gpu: 0 };
  /** Backends with a probe under way. */
  readonly #probed: string[] = [];
  #queued = 0;
  #starting = 0;
  #running = 0;
  #slots = 0;
  #containers = 0;

  constructor(parts: EngineParts) {
    this.#p = parts;
    for (let i = 0; i < parts.pool.gpus.all.length; i++) this.#gpus.push(new GpuCount());
  }

  run(functions: readonly FunctionEntry[], settlement: Settlement): string[] {
    const { options, schedulers, pool, slots, totals } = this.#p;
    for (const fn of functions) this.#function(fn);
    this.#pool(pool);
    this.#breakers();
    this.#atMost('memory', '', pool.budget.reservedMb, pool.budget.mostMb);
    this.#atMost('addresses', '', pool.addresses.held, pool.addresses.most);
    this.#atMost('CPU slots', '', slots.used, Math.max(options.cpuSlots, options.oversubscription?.maxSlots ?? 0));
    this.#scheduler('cpu');
    this.#scheduler('gpu');
    this.#gpusAddUp();
    this.#equal('queued', '', totals.queued, this.#queued);
    this.#equal('starting', '', schedulers.cpu.starting + schedulers.gpu.starting, this.#starting);
    this.#equal('running', '', schedulers.cpu.running + schedulers.gpu.running, this.#running);
    this.#equal('CPU slots', '', slots.used, this.#slots / 1000);
    this.#equal('containers', '', pool.all.size, this.#containers);
    this.#equal('open', '', settlement.open, this.#queued + this.#starting + this.#running);
    return this.#found;
  }

  #function(fn: FunctionEntry): void {
    let waiting = 0;
    let containers = 0;
    for (const lane of fn.lanes) {
      this.#lane(lane);
      waiting += real(lane.choosable) + real(lane.waiting);
      containers += lane.containers;
    }
    this.#equal(fn.key, ' queued', fn.queued, waiting);
    this.#equal(fn.key, ' containers', fn.containers, containers);
    this.#queued += fn.queued;
    this.#running += fn.running;
    this.#containers += fn.containers;
  }

  #lane(lane: FunctionLane): void {
    const { device, fn } = lane;
    const queued = lane.choosable.length + lane.waiting.length;
    if (lane.containers > fn.maxContainers)
      this.#fault(lane, `${lane.containers} containers are above ${fn.maxContainers}`);
    if (lane.queued !== queued) this.#fault(lane, `queued: kept ${lane.queued}, counted ${queued}`);
    this.#queuedFor[device] += queued;
    this.#parked[device] += lane.waiting.length;
    if (lane.open > 0) this.#activeOn[device]++;
    for (let one = lane.starting.head; one !== null; one = one.next) this.#start(one);
    for (let one = lane.joined.head; one !== null; one = one.next) this.#start(one);
    if (lane.sparePlaces < 0) this.#fault(lane, `${-lane.sparePlaces} invocations start without a container`);
    this.#waits(lane.choosable);
    this.#waits(lane.waiting);
    if (lane.closedUntil > 0 !== this.#p.creation.backOff.isKept(lane))
      this.#fault(lane, 'its back-off is kept by one of two');
    if (lane.closedUntil > 0 && lane.closedUntil < this.#p.creation.backOff.next)
      this.#fault(lane, 'its back-off would end unnoticed');
    if (lane.waiting.head !== null && lane.woken === null && lane.hasPlace)
      this.#fault(lane, 'a place, and nobody woken');
    if (lane.lacksAddress && lane.waiting.head !== null && this.#p.pool.addresses.couldBeFree)
      this.#fault(lane, 'an address could be had, and it waits for one');
    if (device === 'gpu') {
      if (lane.joined.head !== null) this.#fault(lane, 'one starts without a container of its own');
      return;
    }
    if (lane.joined.head !== null && lane.unclaimed.head !== null) this.#fault(lane, 'a creation is left unclaimed');
    if (lane.available.head !== null && lane.starting.length + lane.joined.length > 0)
      this.#fault(lane, 'one waits while a container is free');
  }

  /** What waits, for its turn or for a back-off to end, holds nothing that another could use. */
  #waits(list: InvocationList): void {
    for (let one = list.head; one !== null; one = one.next) {
      if (one.heldSlots !== 0 || one.token !== -1 || one.creation !== null)
        this.#found.push(`invocation ${one.id} waits and holds slots, a token or a container`);
    }
  }

  #start(invocation: InvocationEntry): void {
    this.#starting++;
    this.#holds(invocation);
  }

  #holds({ heldSlots, token }: InvocationEntry): void {
    this.#slots += heldSlots;
    const gpu = this.#gpus[token];
    if (gpu !== undefined) gpu.tokens++;
  }

  #pool(pool: ContainerPool): void {
    let [running, cached, leaving, overshoot, runningCount, cachedCount, active, runs] = [0, 0, 0, 0, 0, 0, 0, 0];
    let [held, idleHeld, leavingHeld] = [0, 0, 0];
    let booked = 0;
    const { sharedMemory } = pool.gpus.options;
    for (const container of pool.all) {
      const { phase, memoryMb, overshootMb } = container;
      booked += container.fn.spec.memoryMb + (sharedMemory ? container.lane.deviceMb : 0);
      if (phase === 'idle') {
        cached += memoryMb;
        cachedCount++;
      } else {
        running += memoryMb;
        runningCount++;
      }
      overshoot += overshootMb;
      if (phase === 'destroying') leaving += memoryMb + overshootMb;
      else if (overshootMb > 0 && container.doomed === null)
        this.#found.push(`container ${container.id} has outgrown its memory and stays`);
      if (container.fn.needsAddress) {
        held++;
        if (phase === 'idle') idleHeld++;
        else if (phase === 'destroying') leavingHeld++;
      }
      active += container.active;
      if (container.probe) this.#probe(container);
      runs += container.runs.length;
      if (container.active > 0 !== (phase === 'running'))
        this.#found.push(`container ${container.id} is ${phase} and runs ${container.active}`);
      if (container.gpu >= 0) this.#attached(container);
      for (let one = container.runs.head; one !== null; one = one.next) {
        this.#holds(one);
        if (one.token !== container.gpu) this.#found.push(`invocation ${one.id} runs without a token of its device`);
      }
    }
    this.#equal('running memory', '', pool.runningMb, running);
    this.#equal('cached memory', '', pool.cachedMb, cached);
    this.#equal('leaving memory', '', pool.leavingMb, leaving);
    this.#equal('overshoot', '', pool.budget.overshootMb, overshoot);
    this.#equal('running containers', '', pool.runningCount, runningCount);
    this.#equal('cached containers', '', pool.cachedCount, cachedCount);
    this.#equal('runs', '', active, runs);
    this.#equal('addresses', '', pool.addresses.held, held);
    this.#equal('idle addresses', '', pool.addresses.idle, idleHeld);
    this.#equal('leaving addresses', '', pool.addresses.leaving, leavingHeld);
    this.#equal('what functions asked for, once each', '', pool.budget.reservedMb, booked);
    this.#equal('running + cached = total', '', pool.runningMb + pool.cachedMb, pool.budget.reservedMb);
  }

  #probe(container: ContainerEntry): void {
    const { id, backend, phase } = container;
    if (phase === 'idle' || phase === 'running') this.#found.push(`container ${id} is ${phase} and still a probe`);
    if (this.#probed.includes(backend)) this.#found.push(`${backend} has two probes`);
    this.#probed.push(backend);
  }

  #breakers(): void {
    for (const [name, { breaker }] of this.#p.creation.backends) {
      if (breaker.probing !== this.#probed.includes(name)) this.#found.push(`the probe of ${name} is lost`);
    }
  }

  #attached(container: ContainerEntry): void {
    const { deviceMb } = container.lane;
    const gpu = this.#gpus[container.gpu] as GpuCount;
    gpu.containers++;
    gpu.mb += deviceMb;
    if (container.phase === 'idle') {
      gpu.idle++;
      gpu.idleMb += deviceMb;
    } else if (container.phase === 'destroying') {
      gpu.leaving++;
      gpu.leavingMb += deviceMb;
    }
  }

  #scheduler(device: 'cpu' | 'gpu'): void {
    const { line, activeFunctions } = this.#p.schedulers[device];
    this.#equal('queued for ', device, line.queued, this.#queuedFor[device]);
    this.#equal('in the queue policy and beside it, ', device, line.queued, line.policy.length + this.#parked[device]);
    this.#equal('functions active on ', device, activeFunctions, this.#activeOn[device]);
    if (line.queuedUs < -1) this.#found.push(`queued work for ${device} is negative: ${line.queuedUs}`);
  }

  #gpusAddUp(): void {
    const { all, options } = this.#p.pool.gpus;
    for (const gpu of all) {
      const counted = this.#gpus[gpu.index] as GpuCount;
      this.#equal('tokens on GPU ', gpu.index, gpu.running, counted.tokens);
      this.#equal('containers on GPU ', gpu.index, gpu.attached, counted.containers);
      this.#equal('memory on GPU ', gpu.index, gpu.attachedMb, counted.mb);
      this.#equal('idle on GPU ', gpu.index, gpu.idle, counted.idle);
      this.#equal('idle memory on GPU ', gpu.index, gpu.idleMb, counted.idleMb);
      this.#equal('leaving on GPU ', gpu.index, gpu.leaving, counted.leaving);
      this.#equal('leaving memory on GPU ', gpu.index, gpu.leavingMb, counted.leavingMb);
      this.#atMost('tokens on GPU ', gpu.index, gpu.running, options.concurrency);
      this.#atMost('containers on GPU ', gpu.index, gpu.attached, options.slots);
      this.#atMost('memory on GPU ', gpu.index, gpu.attachedMb, options.memoryMb);
    }
  }

  /** `what` and `which` are put together only when it is wrong. */
  #equal(what: string, which: string | number, kept: number, counted: number): void {
    if (Math.abs(kept - counted) > 1e-6) this.#found.push(`${what}${which}: kept ${kept}, counted ${counted}`);
  }

  #atMost(what: string, which: string | number, value: number, limit: number): void {
    if (value > limit + 1e-6) this.#found.push(`${what}${which}: ${value} is above ${limit}`);
  }

  #fault(lane: FunctionLane, text: string): void {
    this.#found.push(`${lane.fn.key} on ${lane.device}: ${text}`);
  }
}

function real(list: InvocationList): number {
  let count = 0;
  for (let one = list.head; one !== null; one = one.next) if (!one.isStandIn) count++;
  return count;
}
