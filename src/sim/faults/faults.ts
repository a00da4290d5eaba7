import type { Draw } from '../fuzz/draw.js';
import { BACKENDS, type CreationFault, type FuzzEvent, type RunPlan } from '../fuzz/fuzz-case.js';

/**
 * What can go wrong, and what people do at a bad moment. A seed switches some of them on and picks how often each happens (swarm testing: Groce et al., ISSTA
 * 2012): with all of them always on, most histories would die of the most violent one before the others had anything to show.
 */

/** What a fault may know of the history that it is put into. */
export interface FaultSite {
  readonly draw: Draw;
  /** µs of the history. */
  readonly spanUs: number;
  readonly functions: number;
  readonly arrivals: number;
}

export interface Fault {
  readonly name: string;
  readonly meaning: string;
  /** Something that happens at some moment. */
  readonly events?: (site: FaultSite) => FuzzEvent[];
  /** How a run goes; drawn for each arrival. */
  readonly run?: RunPlan;
}

export const FAULTS: readonly Fault[] = [
  { name: 'user-error', meaning: 'a function fails by itself', run: 'user_error' },
  { name: 'out-of-memory', meaning: 'a run needs more memory than it has', run: 'out_of_memory' },
  { name: 'crash', meaning: 'a container dies in the middle of a run', run: 'crash' },
  { name: 'passing-crash', meaning: 'the same, and another attempt is worth it', run: 'crash for now' },
  { name: 'silence', meaning: 'a container does not answer any more', run: 'silence' },
  {
    name: 'exit',
    meaning: 'a container dies, idle, running, being created or being destroyed',
    events: (site) =>
      scattered(site, 0.05, (at, { draw }) => ({
        at,
        kind: 'exit',
        pick: draw.whole(0, 99),
        transient: draw.chance(0.5),
      })),
  },
  {
    name: 'late-answer',
    meaning: 'an answer comes about what was settled before',
    events: (site) => scattered(site, 0.02, (at, { draw }) => ({ at, kind: 'late', pick: draw.whole(0, 99) })),
  },
  {
    name: 'stray-answer',
    meaning: 'an answer about a container that nobody waits for',
    events: (site) =>
      scattered(site, 0.02, (at, { draw }) => ({
        at,
        kind: 'stray',
        pick: draw.whole(0, 99),
        answer: draw.of(['ready', 'failed', 'gone']),
      })),
  },
  {
    name: 'abandon',
    meaning: 'a caller leaves',
    events: (site) => scattered(site, 0.1, (at, { draw }) => ({ at, kind: 'abandon', pick: draw.whole(0, 99) })),
  },
  {
    name: 'clock-jump',
    meaning: 'time passes and nothing is done about it',
    events: (site) =>
      scattered(site, 0.005, (at, { draw, spanUs }) => ({
        at,
        kind: 'jump',
        us: Math.round(draw.magnitude(1000, spanUs)),
      })),
  },
  {
    name: 'lost-gpu',
    meaning: 'a GPU fails with everything on it, and may come back',
    events: (site) =>
      scattered(site, 0.01, (at, { draw }) => ({
        at,
        kind: draw.of(['gpu lost', 'gpu found']),
        gpu: draw.whole(0, 1),
      })),
  },
  {
    name: 'backend-down',
    meaning: 'nothing can be made on a backend, and it may come back',
    events: (site) =>
      scattered(site, 0.02, (at, { draw }) => {
        const backend = draw.whole(0, BACKENDS.length - 1);
        if (draw.chance(0.5)) return { at, kind: 'backend up', backend };
        return { at, kind: 'backend down', backend, how: draw.of<CreationFault>(['for now', 'not able', 'for good']) };
      }),
  },
  {
    name: 'gpu-reading',
    meaning: 'a GPU is read to be more or less used than thought',
    events: (site) =>
      scattered(site, 0.05, (at, { draw }) => ({
        at,
        kind: 'gpu reading',
        gpu: draw.whole(0, 1),
        percent: draw.whole(0, 100),
      })),
  },
  {
    name: 'load-reading',
    meaning: 'the machine is more or less loaded: CPU slots come and go',
    events: (site) =>
      scattered(site, 0.05, (at, { draw }) => ({ at, kind: 'load reading', perCore: draw.magnitude(0.01, 10) })),
  },
  {
    name: 'prewarm',
    meaning: 'containers are asked for ahead of time',
    events: (site) =>
      scattered(site, 0.02, (at, { draw, functions }) => ({
        at,
        kind: 'prewarm',
        fn: draw.whole(0, functions - 1),
        count: draw.whole(1, 3),
        device: draw.of([null, null, 'cpu', 'gpu']),
      })),
  },
  {
    name: 'unregister',
    meaning: 'a function goes while it is in use, and may come back',
    events: (site) =>
      scattered(site, 0.01, (at, { draw, functions }) => ({
        at,
        kind: draw.chance(0.4) ? 'unregister' : 'register',
        fn: draw.whole(0, functions - 1),
      })),
  },
  {
    name: 'measured',
    meaning: 'a container is measured to use more or less than it reserved',
    events: (site) =>
      scattered(site, 0.02, (at, { draw }) => ({
        at,
        kind: 'measured',
        pick: draw.whole(0, 99),
        mb: draw.whole(0, 3000),
      })),
  },
  {
    name: 'clean',
    meaning: 'all idle containers are destroyed',
    events: (site) => scattered(site, 0.005, (at) => ({ at, kind: 'clean' })),
  },
  {
    name: 'overload',
    meaning: 'many arrive at once',
    events: (site) => {
      const { draw, functions, spanUs } = site;
      return Array.from({ length: draw.whole(1, 3) }, () => {
        const at = draw.whole(0, spanUs);
        const fn = draw.whole(0, functions - 1);
        return Array.from({ length: draw.whole(10, 60) }, (): FuzzEvent => {
          const runUs = Math.round(draw.magnitude(100, 100_000));
          return { at, kind: 'invoke', fn, runUs, plan: 'ok', timeoutMs: 0 };
        });
      }).flat();
    },
  },
  {
    name: 'drain',
    meaning: 'the worker accepts nothing more',
    events: ({ draw, spanUs }) => [{ at: draw.whole(Math.floor(spanUs / 2), spanUs), kind: 'drain' }],
  },
  {
    name: 'stop',
    meaning: 'the worker is stopped while it works',
    events: ({ draw, spanUs }) => [{ at: draw.whole(Math.floor(spanUs / 2), spanUs), kind: 'stop' }],
  },
];

/** At random moments, up to `most` an arrival. */
function scattered(site: FaultSite, most: number, event: (at: number, site: FaultSite) => FuzzEvent): FuzzEvent[] {
  const { draw, spanUs, arrivals } = site;
  const count = Math.ceil(arrivals * draw.magnitude(most / 20, most));
  return Array.from({ length: count }, () => event(draw.whole(0, spanUs), site));
}
