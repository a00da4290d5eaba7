import type { Backend } from '../backends/backend.js';
import type { WorkerHealth, WorkerStatus } from '../config/api.js';
import type { BackendStatus } from '../core/index.js';

/** What a shard says of its backends, in status, health and metrics: of each, and of all together. */

/** Counters of each backend, by its name: what the engine counts of it and what it counts itself. */
export function countersByBackend(
  engine: readonly BackendStatus[],
  backends: ReadonlyMap<string, Backend>,
): WorkerStatus['backends'] {
  const counters: WorkerStatus['backends'] = {};
  for (const { name, containers, created, failed, avoided } of engine) {
    const own = backends.get(name)?.health().counters;
    counters[name] = { ...own, containers, creations: created, creationsFailed: failed, avoided: avoided ? 1 : 0 };
  }
  return counters;
}

/** The backends' own counters, added up by name. */
export function countersOfAll(backends: ReadonlyMap<string, Backend>): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const backend of backends.values()) {
    for (const [name, value] of Object.entries(backend.health().counters)) sum[name] = (sum[name] ?? 0) + value;
  }
  return sum;
}

export function healthByBackend(
  engine: readonly BackendStatus[],
  backends: ReadonlyMap<string, Backend>,
): WorkerHealth['backends'] {
  return [...backends.values()].map((backend) => {
    const { name, healthy, notes } = backend.health();
    const avoided = engine.some((status) => status.name === name && status.avoided);
    const note = `containers could not be made on "${name}" several times in a row; it is asked only where there is no other, and tried now and then`;
    return { name, healthy, notes: avoided ? [...notes, note] : [...notes] };
  });
}
