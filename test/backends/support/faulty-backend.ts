import type {
  Backend,
  BackendContainer,
  BackendHealth,
  ContainerEvents,
  MemoryReading,
  PreparedFunction,
} from '../../../src/backends/backend.js';
import type { ContainerFailure } from '../../../src/core/ports.js';

/**
 * How the k-th creation of any backend goes wrong. The first three make nothing; the last two make a real container first and lose it, which is what has to be cleaned up after.
 */
export const CREATION_FAULTS = [
  'throws',
  'fails at once',
  'fails later',
  'fails half-way',
  'dies before ready',
] as const;
export type CreationFault = (typeof CREATION_FAULTS)[number];

const PASSING: ContainerFailure = { errorClass: 'start_failed', message: 'put in', details: null, transient: true };

/** Fault injection for tests: any backend, of which one creation fails. */
export class FaultyBackend implements Backend {
  readonly inner: Backend;
  creations = 0;
  #failing = 0;
  #how: CreationFault = 'throws';

  constructor(inner: Backend) {
    this.inner = inner;
  }

  /** From now on, counted from 1; 0 = none fails. */
  fail(k: number, how: CreationFault): void {
    this.creations = 0;
    this.#failing = k;
    this.#how = how;
  }

  get name(): string {
    return this.inner.name;
  }

  start(...given: Parameters<Backend['start']>): Promise<void> {
    return this.inner.start(...given);
  }

  prepare(...given: Parameters<Backend['prepare']>): Promise<PreparedFunction> {
    return this.inner.prepare(...given);
  }

  release(prepared: PreparedFunction): Promise<void> {
    return this.inner.release(prepared);
  }

  create(...given: Parameters<Backend['create']>): BackendContainer {
    if (++this.creations !== this.#failing) return this.inner.create(...given);
    const [prepared, env, id, events] = given;
    switch (this.#how) {
      case 'throws':
        throw new Error('put in');
      case 'fails at once':
        events.failed(PASSING);
        return NOTHING;
      case 'fails later':
        setImmediate(() => events.failed(PASSING));
        return NOTHING;
      case 'fails half-way': {
        const lost: BackendContainer = this.inner.create(prepared, env, id, {
          ...silent(events),
          ready: () => void lost.destroy('failed').then(() => events.failed(PASSING)),
        });
        return lost;
      }
      case 'dies before ready':
        return this.inner.create(prepared, env, id, { ...silent(events), ready: () => events.exited(PASSING) });
    }
  }

  adopt(...given: Parameters<Backend['adopt']>): BackendContainer {
    return this.inner.adopt(...given);
  }

  memory(containers: readonly BackendContainer[]): Promise<MemoryReading[]> {
    return this.inner.memory(containers);
  }

  health(): BackendHealth {
    return this.inner.health();
  }

  list(): Promise<readonly string[]> {
    return this.inner.list();
  }

  clean(): Promise<readonly string[]> {
    return this.inner.clean();
  }

  stop(): Promise<void> {
    return this.inner.stop();
  }
}

const NOTHING: BackendContainer = {
  name: 'nothing',
  run() {},
  cancel() {},
  cpuUs: () => null,
  destroy: async () => {},
  keepable: () => null,
};

/** What a container that is lost on purpose says of its end is not told twice. */
function silent(events: ContainerEvents): ContainerEvents {
  return {
    ready() {},
    failed: (failure) => events.failed(failure),
    completed() {},
    exited() {},
    output: (stream, chunk) => events.output(stream, chunk),
  };
}
