import { BACKENDS, type FuzzCase, type FuzzEvent, type FuzzFunction } from './fuzz-case.js';

/**
 * Makes a failing history small: delta debugging (ddmin, Zeller and Hildebrandt, IEEE TSE 2002) over its events, then its functions, and then simpler values,
 * again and again until nothing more can go. What is left is 1-minimal: without any one of its events it does not fail any more (unless
 * `mostRuns` was reached before).
 */
export function shrinkCase(
  failing: FuzzCase,
  fails: (candidate: FuzzCase) => boolean,
  mostRuns = 5000,
): { readonly small: FuzzCase; readonly runs: number } {
  let runs = 0;
  const attempt = (candidate: FuzzCase): boolean => runs < mostRuns && ++runs > 0 && fails(candidate);
  let small = failing;
  for (;;) {
    const before = small;
    small = withoutEvents(small, attempt);
    small = withoutFunctions(small, attempt);
    small = simpler(small, attempt);
    if (small === before || runs >= mostRuns) return { small, runs };
  }
}

type Attempt = (candidate: FuzzCase) => boolean;

function withoutEvents(start: FuzzCase, attempt: Attempt): FuzzCase {
  const events = minimise(start.events, (kept) => attempt({ ...start, events: kept }));
  return events.length === start.events.length ? start : { ...start, events };
}

/** ddmin: halves, then quarters, …, then single ones are left out, as long as it still fails. */
function minimise<T>(all: readonly T[], fails: (kept: readonly T[]) => boolean): readonly T[] {
  let kept = all;
  let parts = 2;
  while (kept.length > 0) {
    const size = Math.ceil(kept.length / parts);
    let smaller: readonly T[] | null = null;
    // From the end: what comes after the failure can all go at once.
    for (let from = (Math.ceil(kept.length / size) - 1) * size; from >= 0 && smaller === null; from -= size) {
      const candidate = [...kept.slice(0, from), ...kept.slice(from + size)];
      if (fails(candidate)) smaller = candidate;
    }
    if (smaller !== null) {
      kept = smaller;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) break;
    else parts = Math.min(kept.length, 2 * parts);
  }
  return kept;
}

/** A function goes with its events, or gives them to another one. */
function withoutFunctions(start: FuzzCase, attempt: Attempt): FuzzCase {
  let small = start;
  for (let index = small.functions.length - 1; index >= 0 && small.functions.length > 1; index--) {
    const functions = small.functions.filter((_, i) => i !== index);
    const others = small.events.filter((event) => !('fn' in event) || event.fn !== index);
    const heir = index === 0 ? 1 : 0;
    const inherited = small.events.map((event) =>
      'fn' in event && event.fn === index ? { ...event, fn: heir } : event,
    );
    for (const events of [others, inherited]) {
      const candidate = { ...small, functions, events: events.map((event) => renumbered(event, index)) };
      if (!attempt(candidate)) continue;
      small = candidate;
      break;
    }
  }
  return small;
}

function renumbered(event: FuzzEvent, gone: number): FuzzEvent {
  return 'fn' in event && event.fn > gone ? { ...event, fn: event.fn - 1 } : event;
}

/** One value after the other becomes what it is in a plain history. */
function simpler(start: FuzzCase, attempt: Attempt): FuzzCase {
  let small = start;
  const change = (candidate: FuzzCase): void => {
    if (JSON.stringify(candidate) !== JSON.stringify(small) && attempt(candidate)) small = candidate;
  };
  change({ ...small, immediate: false });
  for (const chance of ['failsForNow', 'failsForGood', 'slow'] as const) {
    change({ ...small, creation: { ...small.creation, [chance]: 0 } });
  }
  change({ ...small, settings: plainSettings(small.settings) });
  for (const part of ['queue', 'dispatch', 'create', 'keepAlive', 'cpu', 'memory', 'network', 'gpu'] as const) {
    change({ ...small, settings: { ...small.settings, [part]: plainSettings(small.settings)[part] } });
  }
  small.functions.forEach((_, index) => {
    for (const [key, value] of Object.entries(PLAIN_SPEC)) change(withSpec(small, index, { [key]: value }));
    change(withFunction(small, index, { creationUs: 1000, destructionUs: 0 }));
    change(withFunction(small, index, { failing: [] }));
  });
  small.events.forEach((event, index) => {
    if (event.kind !== 'invoke') return;
    const plain: FuzzEvent = { ...event, plan: 'ok', timeoutMs: 0 };
    change({ ...small, events: small.events.with(index, plain) });
    const round = { ...(small.events[index] as typeof event), runUs: 1000 };
    change({ ...small, events: small.events.with(index, round) });
  });
  return small;
}

const PLAIN_SPEC: Partial<FuzzFunction['spec']> = {
  memoryMb: 100,
  cpus: 1,
  concurrency: 1,
  maxContainers: null,
  queueLimit: null,
  timeoutMs: 60_000,
  keepAliveMs: null,
  retries: 0,
  devices: ['cpu'],
  createAttempts: null,
  fallBack: null,
  backends: [BACKENDS[0]],
  needsAddress: false,
};

/** Policies without parameters, one slot of each kind, nothing extra. */
function plainSettings(settings: FuzzCase['settings']): FuzzCase['settings'] {
  const { queue, dispatch, keepAlive, gpu } = settings;
  return {
    ...settings,
    cpu: { slots: 1, bypassMs: 0, oversubscribe: { ...settings.cpu.oversubscribe, maxSlots: 0 } },
    memory: { ...settings.memory, budgetMb: 1000, bufferMb: 0 },
    network: { bridges: 1, portsPerBridge: 1000 },
    queue: { ...queue, policy: 'fcfs', parameters: {}, limit: 10_000, dropAbandoned: true },
    dispatch: { ...dispatch, policy: 'cpu', parameters: {} },
    create: {
      attempts: 1,
      backOffMs: 50,
      maxBackOffMs: 5000,
      jitter: 0,
      fallBack: true,
      breaker: { failures: 3, openMs: 10_000 },
    },
    keepAlive: { ...keepAlive, policy: 'lru', parameters: {}, ttlMs: 600_000 },
    gpu: {
      ...gpu,
      count: 0,
      queue: { policy: 'fcfs', parameters: {} },
      keepAlive: { policy: 'lru', parameters: {} },
    },
  };
}

function withSpec(small: FuzzCase, index: number, spec: Partial<FuzzFunction['spec']>): FuzzCase {
  const fn = small.functions[index] as FuzzFunction;
  return withFunction(small, index, { spec: { ...fn.spec, ...spec } });
}

function withFunction(small: FuzzCase, index: number, over: Partial<FuzzFunction>): FuzzCase {
  const fn = small.functions[index] as FuzzFunction;
  return { ...small, functions: small.functions.with(index, { ...fn, ...over }) };
}
