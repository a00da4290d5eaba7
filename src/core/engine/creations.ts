import type { CreationAttempts } from '../creation/creation-attempts.js';
import type { CreationPolicy } from '../creation/creation-policy.js';
import type { ContainerEntry } from '../pool/container-entry.js';
import type { ContainerPool } from '../pool/container-pool.js';
import type { DeviceSet } from '../resources/device-set.js';
import type { ContainerSupply } from './container-supply.js';
import type { FunctionLane } from './function-lane.js';
import type { InvocationEntry } from './invocation-entry.js';

/**
 * Which invocation waits for which container being created, on the devices of one kind. Each one that starts either has a creation of its own (`starting`) or waits for a place
 * in another's (`joined`); creations nobody waits for are `unclaimed`. On GPUs invocation and creation are on the same device, whose token the invocation holds.
 */
export class Creations {
  starting = 0;
  readonly #pool: ContainerPool;
  readonly #supply: ContainerSupply;
  readonly #devices: DeviceSet;
  readonly #policy: CreationPolicy;
  readonly #now: () => number;

  constructor(
    pool: ContainerPool,
    supply: ContainerSupply,
    devices: DeviceSet,
    policy: CreationPolicy,
    now: () => number,
  ) {
    this.#pool = pool;
    this.#supply = supply;
    this.#devices = devices;
    this.#policy = policy;
    this.#now = now;
  }

  /** Whether a container being created on this device has a place that nobody waits for. */
  canJoin(lane: FunctionLane, device: number): boolean {
    if (lane.sparePlaces <= 0) return false;
    if (device < 0) return true;
    let container = lane.unclaimed.head;
    while (container !== null && container.gpu !== device) container = container.next;
    return container !== null;
  }

  /** It waits for such a place. */
  join(invocation: InvocationEntry, lane: FunctionLane): void {
    this.starting++;
    invocation.place = 'joined';
    lane.joined.insertInOrder(invocation);
    this.claim(lane);
  }

  /** Creates a container for it on the device whose token it holds. The caller has made room. */
  create(invocation: InvocationEntry, lane: FunctionLane): void {
    this.starting++;
    this.#create(invocation, lane);
  }

  /** `attempts`: those that failed before; null = none did. */
  createUnclaimed(lane: FunctionLane, device: number, attempts: CreationAttempts | null): ContainerEntry | null {
    const container = this.#pool.reserve(lane, device, this.#policy.choose(lane.fn, attempts), this.#now());
    if (container === null) return null;
    this.#policy.begun(container);
    lane.unclaimed.push(container);
    this.claim(lane);
    return container;
  }

  /** It waits no more; a creation of its own becomes anybody's. */
  abandon(invocation: InvocationEntry, lane: FunctionLane): void {
    const { creation } = invocation;
    if (invocation.place === 'starting') lane.starting.remove(invocation);
    else lane.joined.remove(invocation);
    invocation.place = 'nowhere';
    this.starting--;
    if (creation === null) return;
    invocation.creation = null;
    creation.pending = null;
    if (creation.phase === 'creating') lane.unclaimed.push(creation);
  }

  /** It waits on without a creation of its own. */
  rejoin(invocation: InvocationEntry, lane: FunctionLane): void {
    lane.starting.remove(invocation);
    invocation.creation = null;
    invocation.place = 'joined';
    lane.joined.insertInOrder(invocation);
  }

  /** Containers being created for nobody become those of invocations that have none of their own. */
  claim(lane: FunctionLane): void {
    for (let pair = this.#pair(lane); pair !== null; pair = this.#pair(lane)) {
      const { invocation, container } = pair;
      lane.joined.remove(invocation);
      lane.unclaimed.remove(container);
      bind(invocation, container, lane);
    }
  }

  /** Makes containers for those whose place is lost. Returns those for which there is no room: they wait for nothing any more, and hold their slots and tokens. */
  replaceLost(lane: FunctionLane): InvocationEntry[] {
    const without: InvocationEntry[] = [];
    this.claim(lane);
    // On a GPU nobody can wait for a place in another's container: whoever has none of their own by now has lost it.
    while (lane.device === 'gpu' ? lane.joined.head !== null : lane.sparePlaces < 0) {
      const invocation = lane.joined.head as InvocationEntry;
      lane.joined.remove(invocation);
      if (lane.mayCreate && this.#supply.makeRoom(lane, invocation.token, null, true) === 'now') {
        this.#create(invocation, lane);
        continue;
      }
      this.starting--;
      without.push(invocation);
    }
    return without;
  }

  #create(invocation: InvocationEntry, lane: FunctionLane): void {
    const backend = this.#policy.choose(lane.fn, invocation.attemptsFailed);
    const container = this.#pool.reserve(lane, invocation.token, backend, this.#now()) as ContainerEntry;
    this.#policy.begun(container);
    bind(invocation, container, lane);
    this.#supply.announce(container);
  }

  #pair(lane: FunctionLane): { invocation: InvocationEntry; container: ContainerEntry } | null {
    for (let container = lane.unclaimed.head; container !== null; container = container.next) {
      let invocation = lane.joined.head;
      if (invocation === null) return null;
      while (invocation !== null && invocation.token !== container.gpu) invocation = invocation.next;
      if (invocation !== null) return { invocation, container };
      const oldest = lane.joined.head as InvocationEntry;
      if (!this.#devices.hasToken(container.gpu)) continue;
      this.#devices.releaseToken(oldest.token);
      this.#devices.takeToken(container.gpu);
      oldest.token = container.gpu;
      return { invocation: oldest, container };
    }
    return null;
  }
}

function bind(invocation: InvocationEntry, container: ContainerEntry, lane: FunctionLane): void {
  container.pending = invocation;
  invocation.creation = container;
  invocation.place = 'starting';
  lane.starting.insertInOrder(invocation);
}
