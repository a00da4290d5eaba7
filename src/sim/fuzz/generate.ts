import type { Device } from '../../core/index.js';
import { FAULTS, type Fault } from '../faults/faults.js';
import { chooseSettings } from './choose-settings.js';
import { Draw } from './draw.js';
import {
  BACKENDS,
  type CreationChances,
  type CreationFault,
  type FailingCreations,
  type FuzzCase,
  type FuzzEvent,
  type FuzzFunction,
  type RunPlan,
} from './fuzz-case.js';

const STREAMS = { settings: 1, functions: 2, arrivals: 3, faults: 4, addresses: 5 };

/** The history that a seed stands for. The same seed and number of invocations give the same history as long as there are the same policies and faults. */
export function generateCase(seed: number, invocations: number): FuzzCase {
  const settings = chooseSettings(new Draw(seed, STREAMS.settings), seed);
  const draw = new Draw(seed, STREAMS.functions);
  const addresses = new Draw(seed, STREAMS.addresses);
  const functions = Array.from({ length: draw.whole(1, 5) }, (_, index) =>
    chooseFunction(draw, index, settings.memory.budgetMb, addresses.chance(0.4)),
  );
  const faults = new Draw(seed, STREAMS.faults);
  const active = FAULTS.filter((fault) => faults.chance(fault.name === 'stop' || fault.name === 'drain' ? 0.15 : 0.4));
  const arrivals = chooseArrivals(
    new Draw(seed, STREAMS.arrivals),
    functions.length,
    invocations,
    settings.cpu.slots,
    active,
  );
  const spanUs = arrivals.at(-1)?.at ?? 0;
  const site = { draw: faults, spanUs, functions: functions.length, arrivals: arrivals.length };
  const events = [...arrivals, ...active.flatMap((fault) => fault.events?.(site) ?? [])];
  // A stable sort: arrivals come before faults of the same moment.
  events.sort((a, b) => a.at - b.at);
  return { seed, settings, functions, creation: chooseCreation(faults), immediate: faults.chance(0.3), events };
}

function chooseFunction(draw: Draw, index: number, budgetMb: number, needsAddress: boolean): FuzzFunction {
  const memoryMb = Math.min(budgetMb, draw.of([10, 50, 100, 100, 200, 300]));
  const devices: Device[] = draw.of<Device[]>([['cpu'], ['cpu'], ['cpu', 'gpu'], ['cpu', 'gpu'], ['gpu']]);
  return {
    spec: {
      name: `f${index}`,
      version: '1',
      memoryMb,
      cpus: draw.of([0.1, 0.5, 1, 1, 1, 2]),
      concurrency: draw.of([1, 1, 1, 2, 3]),
      maxContainers: draw.of([null, null, null, 1, 2]),
      queueLimit: draw.of([null, null, null, null, 0, 2, 10]),
      timeoutMs: draw.of([50, 1000, 10_000, 60_000]),
      keepAliveMs: draw.of([null, null, 0, 10, 500]),
      retries: draw.of([0, 0, 1, 3]),
      createAttempts: draw.of([null, null, 1, 2, 4]),
      fallBack: draw.of([null, null, true, false]),
      devices,
      backends: draw.of([[BACKENDS[0]], BACKENDS.slice(0, 2), BACKENDS, [BACKENDS[1], BACKENDS[0]]]),
      needsAddress,
    },
    failing: chooseFailing(draw),
    creationUs: draw.chance(0.1) ? 0 : Math.round(draw.magnitude(100, 500_000)),
    destructionUs: draw.of([0, 0, 1000, 100_000]),
  };
}

/** Up to two runs of creations that fail one after the other: the first few, or some later ones. */
function chooseFailing(draw: Draw): FailingCreations[] {
  if (!draw.chance(0.3)) return [];
  return Array.from({ length: draw.whole(1, 2) }, () => ({
    from: draw.whole(0, draw.of([2, 20])),
    count: draw.whole(1, 6),
    how: draw.of<CreationFault>(['for now', 'for now', 'not able', 'for good']),
  }));
}

function chooseCreation(draw: Draw): CreationChances {
  return {
    failsForNow: draw.chance(0.3) ? draw.magnitude(0.005, 0.5) : 0,
    failsForGood: draw.chance(0.3) ? draw.magnitude(0.005, 0.5) : 0,
    slow: draw.chance(0.3) ? draw.magnitude(0.01, 0.5) : 0,
  };
}

/** So dense that the slots are between mostly idle and twice overbooked. */
function chooseArrivals(
  draw: Draw,
  functions: number,
  count: number,
  slots: number,
  active: readonly Fault[],
): FuzzEvent[] {
  const plans = active.flatMap(({ run }) => (run === undefined ? [] : [{ run, rate: draw.magnitude(0.002, 0.2) }]));
  const runUs = Array.from({ length: functions }, () => (draw.chance(0.1) ? 0 : draw.magnitude(100, 200_000)));
  const popularity = Array.from({ length: functions }, () => draw.magnitude(0.05, 1));
  const total = popularity.reduce((sum, weight) => sum + weight, 0);
  const meanRunUs = runUs.reduce((sum, us, i) => sum + (us * (popularity[i] as number)) / total, 0);
  const meanGapUs = Math.max(10, meanRunUs / slots / draw.magnitude(0.1, 1.5));
  let at = 0;
  return Array.from({ length: count }, () => {
    at += draw.gap(meanGapUs);
    const fn = weighted(draw.fraction() * total, popularity);
    const us = Math.round((runUs[fn] as number) * draw.magnitude(0.5, 2));
    const timeoutMs = draw.chance(0.05) ? draw.of([1, 50, 5000]) : 0;
    return { at, kind: 'invoke', fn, runUs: us, plan: planOf(draw, plans), timeoutMs };
  });
}

function planOf(draw: Draw, plans: readonly { run: RunPlan; rate: number }[]): RunPlan {
  for (const { run, rate } of plans) if (draw.chance(rate)) return run;
  return 'ok';
}

function weighted(point: number, weights: readonly number[]): number {
  let left = point;
  for (let i = 0; i < weights.length - 1; i++) {
    left -= weights[i] as number;
    if (left < 0) return i;
  }
  return weights.length - 1;
}
