import type { Backend } from '../backends/backend.js';
import type { WorkerHealth, WorkerStatus } from '../config/api.js';
import type { BackendStatus, Engine } from '../core/index.js';
import { VERSION } from '../package-files.js';
import type { AsyncService } from './async/service.js';
import type { HostLoad } from './host-load.js';
import type { JetsonFeed } from './jetson-feed.js';
import type { ShardSupervision } from './supervision/shard-supervision.js';

/** What a shard says of itself, in status, health and metrics. */

export interface ShardReportParts {
  readonly name: string;
  readonly engine: Engine;
  readonly backends: ReadonlyMap<string, Backend>;
  readonly supervision: ShardSupervision;
  readonly async: AsyncService;
  readonly host: HostLoad;
  readonly jetson: JetsonFeed | null;
  addresses(): WorkerStatus['addresses'];
  /** How many are registered. */
  functions(): number;
  /** Of the shard's other parts. */
  counters(): Record<string, number>;
  /** For health, of what does not take it out of service. */
  notes(): readonly string[];
}

export class ShardReport {
  readonly #parts: ShardReportParts;
  readonly #startedAt = Date.now();

  constructor(parts: ShardReportParts) {
    this.#parts = parts;
  }

  status(state: WorkerStatus['state']): WorkerStatus {
    const { name, engine, supervision, backends: all, async, functions, counters: others } = this.#parts;
    const { memory, cpu, starting, running, queue, queues, gpus, counters, backends } = engine.status();
    return {
      name,
      version: VERSION,
      addresses: this.#parts.addresses(),
      uptimeS: (Date.now() - this.#startedAt) / 1000,
      state,
      memory,
      cpu,
      starting,
      running,
      host: this.#parts.host.now(),
      queue,
      queues,
      gpus: [...gpus],
      jetson: this.#parts.jetson?.status() ?? null,
      functions: functions(),
      async: async.counters(),
      backends: countersByBackend(backends, all),
      counters: { ...others(), ...counters, ...countersOfAll(all) },
      shards: supervision.threads.map(({ state, restarts }, id) => ({ id, state, restarts })),
    };
  }

  health(state: WorkerStatus['state']): WorkerHealth {
    const backends = healthByBackend(this.#parts.engine.status().backends, this.#parts.backends);
    const watched = this.#parts.supervision.report();
    const notes = state === 'running' ? [] : [`the worker is ${state}`];
    return {
      healthy: state === 'running' && watched.healthy && backends.every((backend) => backend.healthy),
      notes: [
        ...notes,
        ...watched.notes,
        ...this.#parts.notes(),
        ...(this.#parts.jetson?.notes() ?? []),
        ...backends.flatMap((backend) => backend.notes),
      ],
      backends,
      threads: watched.threads,
      tasks: watched.tasks,
    };
  }
}

/** Counters of each backend, by its name: what the engine counts of it and what it counts itself. */
function countersByBackend(
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
function countersOfAll(backends: ReadonlyMap<string, Backend>): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const backend of backends.values()) {
    for (const [name, value] of Object.entries(backend.health().counters)) sum[name] = (sum[name] ?? 0) + value;
  }
  return sum;
}

function healthByBackend(
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
