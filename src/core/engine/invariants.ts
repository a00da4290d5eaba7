import type { ContainerPool } from '../pool/container-pool.js';
import type { FunctionEntry } from './function-entry.js';
import type { FunctionLane } from './function-lane.js';
import type { InvocationList } from './invocation-entry.js';
import type { Settlement } from './settlement.js';
import type { EngineParts } from './status.js';

type Equal = (what: string, kept: number, counted: number) => void;
type AtMost = (what: string, value: number, limit: number) => void;

/** What is wrong with an engine's books, as sentences; empty when all is well. Walks over everything. */
export function violations(functions: readonly FunctionEntry[], parts: EngineParts, settlement: Settlement): string[] {
  const { options, schedulers, pool, slots, totals } = parts;
  const found: string[] = [];
  const equal: Equal = (what, kept, counted) => {
    if (Math.abs(kept - counted) > 1e-6) found.push(`${what}: kept ${kept}, counted ${counted}`);
  };
  const atMost: AtMost = (what, value, limit) => {
    if (value > limit + 1e-6) found.push(`${what}: ${value} is above ${limit}`);
  };
  containersAddUp(pool, equal);
  atMost('memory', pool.budget.reservedMb, options.memoryMb);
  atMost('CPU slots', slots.used, Math.max(options.cpuSlots, options.oversubscription?.maxSlots ?? 0));
  const sum = { queued: 0, starting: 0, running: 0, slots: 0, containers: 0 };
  const queuedFor = { cpu: 0, gpu: 0 };
  const activeOn = { cpu: 0, gpu: 0 };
  const tokens = new Map<number, number>();
  for (const fn of functions) {
    let waiting = 0;
    let containers = 0;
    for (const lane of fn.lanes) {
      found.push(...laneFaults(lane));
      atMost(`${fn.key} containers on ${lane.device}`, lane.containers, fn.maxContainers);
      const queued = lane.choosable.length + lane.waiting.length;
      equal(`${fn.key} queued for ${lane.device}`, lane.queued, queued);
      queuedFor[lane.device] += queued;
      if (lane.open > 0) activeOn[lane.device]++;
      waiting += real(lane.choosable) + real(lane.waiting);
      containers += lane.containers;
      for (const list of [lane.starting, lane.joined]) {
        for (let one = list.head; one !== null; one = one.next) {
          sum.starting++;
          sum.slots += one.heldSlots / 1000;
          tokens.set(one.token, (tokens.get(one.token) ?? 0) + 1);
        }
      }
    }
    equal(`${fn.key} queued`, fn.queued, waiting);
    equal(`${fn.key} containers`, fn.containers, containers);
    sum.queued += fn.queued;
    sum.running += fn.running;
    sum.containers += fn.containers;
  }
  for (const container of pool.all) {
    for (let one = container.runs.head; one !== null; one = one.next) {
      sum.slots += one.heldSlots / 1000;
      tokens.set(one.token, (tokens.get(one.token) ?? 0) + 1);
      if (one.token !== container.gpu) found.push(`invocation ${one.id} runs without a token of its device`);
    }
  }
  for (const device of ['cpu', 'gpu'] as const) {
    const { line, activeFunctions } = schedulers[device];
    equal(`queued for ${device}`, line.queued, queuedFor[device]);
    equal(`in the ${device} queue policy and beside it`, line.queued, line.policy.length + parked(functions, device));
    equal(`functions active on ${device}`, activeFunctions, activeOn[device]);
    if (line.queuedUs < -1) found.push(`queued work for ${device} is negative: ${line.queuedUs}`);
  }
  gpusAddUp(pool, options.gpu.concurrency, tokens, equal, atMost);
  equal('queued', totals.queued, sum.queued);
  equal('starting', schedulers.cpu.starting + schedulers.gpu.starting, sum.starting);
  equal('running', schedulers.cpu.running + schedulers.gpu.running, sum.running);
  equal('CPU slots', slots.used, sum.slots);
  equal('containers', pool.all.size, sum.containers);
  equal('open', settlement.open, sum.queued + sum.starting + sum.running);
  return found;
}

function laneFaults(lane: FunctionLane): string[] {
  const found: string[] = [];
  const name = `${lane.fn.key} on ${lane.device}`;
  const starting = lane.starting.length + lane.joined.length;
  if (lane.sparePlaces < 0) found.push(`${name}: ${-lane.sparePlaces} invocations start without a container`);
  if (lane.waiting.head !== null && lane.woken === null && lane.hasPlace)
    found.push(`${name}: a place, and nobody woken`);
  if (lane.device === 'gpu') {
    if (lane.joined.head !== null) found.push(`${name}: one starts without a container of its own`);
    return found;
  }
  if (lane.joined.head !== null && lane.unclaimed.head !== null) found.push(`${name}: a creation is left unclaimed`);
  if (lane.available.head !== null && starting > 0) found.push(`${name}: one waits while a container is free`);
  return found;
}

function real(list: InvocationList): number {
  let count = 0;
  for (let one = list.head; one !== null; one = one.next) if (!one.isStandIn) count++;
  return count;
}

function parked(functions: readonly FunctionEntry[], device: 'cpu' | 'gpu'): number {
  let count = 0;
  for (const { lanes } of functions) for (const lane of lanes) if (lane.device === device) count += lane.waiting.length;
  return count;
}

function gpusAddUp(
  pool: ContainerPool,
  concurrency: number,
  tokens: ReadonlyMap<number, number>,
  equal: Equal,
  atMost: AtMost,
): void {
  const { all, options } = pool.gpus;
  for (const gpu of all) {
    const own = [...pool.all].filter((container) => container.gpu === gpu.index);
    const mb = (phase: string | null): number =>
      own.reduce((sum, one) => sum + (phase === null || one.phase === phase ? one.lane.deviceMb : 0), 0);
    const count = (phase: string): number => own.filter((one) => one.phase === phase).length;
    const name = `GPU ${gpu.index}`;
    equal(`${name} tokens`, gpu.running, tokens.get(gpu.index) ?? 0);
    equal(`${name} containers`, gpu.attached, own.length);
    equal(`${name} memory`, gpu.attachedMb, mb(null));
    equal(`${name} idle`, gpu.idle, count('idle'));
    equal(`${name} idle memory`, gpu.idleMb, mb('idle'));
    equal(`${name} leaving`, gpu.leaving, count('destroying'));
    equal(`${name} leaving memory`, gpu.leavingMb, mb('destroying'));
    atMost(`${name} tokens`, gpu.running, concurrency);
    atMost(`${name} containers`, gpu.attached, options.slots);
    atMost(`${name} memory`, gpu.attachedMb, options.memoryMb);
  }
}

function containersAddUp(pool: ContainerPool, equal: Equal): void {
  const sum = { running: 0, cached: 0, leaving: 0, runningCount: 0, cachedCount: 0, active: 0, runs: 0 };
  for (const container of pool.all) {
    const { phase, memoryMb } = container;
    if (phase === 'idle') {
      sum.cached += memoryMb;
      sum.cachedCount++;
    } else {
      sum.running += memoryMb;
      sum.runningCount++;
    }
    if (phase === 'destroying') sum.leaving += memoryMb;
    sum.active += container.active;
    sum.runs += container.runs.length;
    equal(`container ${container.id} busy`, container.active > 0 ? 1 : 0, phase === 'running' ? 1 : 0);
  }
  equal('running memory', pool.runningMb, sum.running);
  equal('cached memory', pool.cachedMb, sum.cached);
  equal('leaving memory', pool.leavingMb, sum.leaving);
  equal('running containers', pool.runningCount, sum.runningCount);
  equal('cached containers', pool.cachedCount, sum.cachedCount);
  equal('runs', sum.active, sum.runs);
  equal('running + cached = total', pool.runningMb + pool.cachedMb, pool.budget.reservedMb);
}
