import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import type { AddressLease, Networks, NetworkTaken } from '../../src/backends/networks.js';
import type { Cell } from '../../src/backends/process/cell.js';
import { ProcessContainer } from '../../src/backends/process/container.js';
import { Spawner } from '../../src/backends/process/spawner.js';
import type { FunctionRecord } from '../../src/core/index.js';
import { native } from '../../src/native.js';
import { ContainerNetworks } from '../../src/net/container-networks.js';
import { describeWith } from '../support/requirement.js';
import { DrivenEngine } from './support/driven-engine.js';
import { cgroupsOf, type Harness, startProcessBackend, until } from './support/harness.js';
import { removeTemporaryFolders, temporaryFolder, writeTree } from './support/temporary.js';

/**
 * The k-th call of each stage of a cold start fails, for all k: making a cgroup, taking a network, spawning a cell, setting limits, assigning it, loading the code. Put in between the
 * parts of the backend; everything else is real. Everybody is answered all the same, and nothing stays behind.
 */

/** Fails the k-th call of something, counted from when it is armed. */
class Failpoint {
  calls = 0;
  #failing = 0;

  arm(k: number): void {
    this.calls = 0;
    this.#failing = k;
  }

  /** Whether this call is the one. */
  hit(): boolean {
    return ++this.calls === this.#failing;
  }
}

type Stage = (point: Failpoint) => void;

const cgroup = native().cgroup;

const STAGES: Readonly<Record<string, Stage>> = {
  'making a cgroup'(point) {
    const create = cgroup.create.bind(cgroup);
    vi.spyOn(cgroup, 'create').mockImplementation((dirs) => {
      if (point.hit()) throw new Error('put in: no cgroup');
      create(dirs);
    });
  },
  'spawning a cell'(point) {
    const { spawn } = Spawner.prototype;
    vi.spyOn(Spawner.prototype, 'spawn').mockImplementation(function (this: Spawner, meta, answer) {
      if (!point.hit()) spawn.call(this, meta, answer);
      else
        answer(0, { errorClass: 'start_failed', message: 'put in: the fork failed', details: null, transient: true });
    });
  },
  'setting limits'(point) {
    const setLimits = cgroup.setLimits.bind(cgroup);
    vi.spyOn(cgroup, 'setLimits').mockImplementation((...given) => {
      if (point.hit()) throw new Error('put in: a limit was refused');
      setLimits(...given);
    });
  },
  'assigning it'(point) {
    const { granted } = ProcessContainer.prototype;
    vi.spyOn(ProcessContainer.prototype, 'granted').mockImplementation(function (this: ProcessContainer, cell) {
      // Dead, but its connection does not say so yet: ASSIGN is sent to nobody.
      if (point.hit()) killSupervisor(cell);
      granted.call(this, cell);
    });
  },
  'loading the code'(point) {
    const { granted } = ProcessContainer.prototype;
    vi.spyOn(ProcessContainer.prototype, 'granted').mockImplementation(function (this: ProcessContainer, cell) {
      granted.call(this, cell);
      if (point.hit()) setTimeout(() => killSupervisor(cell), 5);
    });
  },
};

/** Its number may come a moment after its connection. Until then it is 0, which to `kill` is everybody. */
function killSupervisor(cell: Cell): void {
  if (cell.pid > 1) process.kill(cell.pid, 'SIGKILL');
  else setTimeout(() => killSupervisor(cell), 1);
}

/** How long the code of the function takes to load: long enough to be killed meanwhile. */
const LOADING_MS = 100;
const SOURCE = { 'main.py': `import time\ntime.sleep(${LOADING_MS / 1000})\ndef main(args):\n  return args\n` };

/** Real networks, of which a lease can fail to be had. */
function failing(networks: Networks, point: Failpoint): Networks {
  const bridged = wrapped(networks.bridged, (name, real) => {
    if (name !== 'take') return real;
    return (taken: NetworkTaken<AddressLease>, urgent: boolean) => {
      const message = 'put in: no network';
      if (point.hit()) taken(null, { errorClass: 'start_failed', message, details: null, transient: true });
      else networks.bridged.take(taken, urgent);
    };
  });
  return wrapped(networks, (name, real) => (name === 'bridged' ? bridged : real));
}

/** As `target`, with some of its properties replaced; methods keep their object. */
function wrapped<T extends object>(target: T, replace: (name: string, real: unknown) => unknown): T {
  return new Proxy(target, {
    get(_target, name) {
      const real = Reflect.get(target, name) as unknown;
      const value = replace(String(name), real);
      return typeof value === 'function' && value === real ? value.bind(target) : value;
    },
  });
}

describeWith({ root: true, cgroups: true, command: 'python3' }, 'a cold start that fails at one of its stages', () => {
  const lease = new Failpoint();
  let harness: Harness;
  let worker: DrivenEngine;
  let fn: FunctionRecord;

  beforeAll(async () => {
    harness = await startProcessBackend(
      { sandbox: { stemCells: 0, nodeCells: 0 }, cgroup: { pool: 0 }, network: { pool: { low: 0, high: 1 } } },
      {
        adapt: (options) => {
          const networks = new ContainerNetworks({ config: options.config, log: options.log, addresses: () => {} });
          return { ...options, networks: failing(networks, lease) };
        },
      },
    );
    worker = new DrivenEngine([harness.backend], harness.transport, { attempts: 3, backOffMs: 1, maxBackOffMs: 5 });
    const source = writeTree(temporaryFolder(), SOURCE);
    fn = await worker.register({ name: 'f', source, memoryMb: 64, network: 'bridge' });
  });
  afterEach(() => void vi.restoreAllMocks());
  afterAll(async () => {
    await worker?.stop();
    await harness?.close();
    removeTemporaryFolders();
  });

  async function play(): Promise<void> {
    const invoked = [1, 2, 3].map((n) => worker.invoke(fn, { n }));
    for (const [i, { outcome, result }] of (await Promise.all(invoked)).entries()) {
      expect([outcome.errorClass, outcome.message, result]).toEqual([null, null, { n: i + 1 }]);
    }
    await worker.clean();
    expect(worker.engine.checkInvariants()).toEqual([]);
    expect(harness.backend.health().counters['containers']).toBe(0);
    // Cells that nobody waits for any more end on their own.
    await until(() => cgroupsOf(harness.config.name).length === 0);
  }

  async function everyCall(point: Failpoint): Promise<void> {
    point.arm(0);
    await play();
    const all = point.calls;
    expect(all).toBeGreaterThanOrEqual(3);
    const retriesBefore = worker.engine.counters.creationRetries;
    for (let k = 1; k <= all; k++) {
      point.arm(k);
      await play();
      expect(point.calls).toBeGreaterThanOrEqual(k);
      point.arm(0);
      await play();
    }
    expect(worker.engine.counters.creationRetries).toBeGreaterThan(retriesBefore);
  }

  for (const [stage, put] of Object.entries(STAGES)) {
    it(`for all k: ${stage}`, async () => {
      const point = new Failpoint();
      put(point);
      await everyCall(point);
    });
  }

  it('for all k: taking a network', async () => await everyCall(lease));
});
