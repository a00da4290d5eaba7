import { IluvatarError } from '../errors.js';
import type { Device } from '../function.js';
import type { PrewarmTarget } from '../pool/container-entry.js';
import type { ContainerFailure } from '../ports.js';
import type { ContainerSupply } from './container-supply.js';
import type { FunctionEntry } from './function-entry.js';
import type { FunctionLane } from './function-lane.js';

/** Told once how a prewarm request ended: how many containers became ready, and what went wrong with the others. */
export interface PrewarmSink {
  settled(ready: number, failure: ContainerFailure | null): void;
}

/** For requests that nobody waits for. */
export const unwatched: PrewarmSink = { settled() {} };

class Request implements PrewarmTarget {
  underWay = 0;
  ready = 0;
  failure: ContainerFailure | null = null;
  readonly lane: FunctionLane;
  readonly sink: PrewarmSink;
  remaining: number;

  constructor(lane: FunctionLane, count: number, sink: PrewarmSink) {
    this.lane = lane;
    this.remaining = count;
    this.sink = sink;
  }
}

/**
 * Containers made before they are asked for. Requests are served in order, after everything queued that needs memory; they evict idle
 * containers of other functions, never their own, and wait only for memory that is about to be free.
 */
export class Prewarmer {
  readonly #supply: ContainerSupply;
  readonly #leavingMb: () => number;
  readonly #requests: Request[] = [];

  constructor(supply: ContainerSupply, leavingMb: () => number) {
    this.#supply = supply;
    this.#leavingMb = leavingMb;
  }

  /** Requests that still have containers to be created. */
  get pending(): number {
    return this.#requests.length;
  }

  /** As `request`, for somebody who is told why it can never be done: throws IluvatarError `invalid`. */
  ask(fn: FunctionEntry, count: number, sink: PrewarmSink, device: Device, budgetMb: number): void {
    if (!fn.devices.includes(device)) throw new IluvatarError('invalid', `${fn.key} cannot use a ${device} here`);
    const lane = fn.laneOf(device);
    const total = fn.containers + count;
    if (total * fn.spec.memoryMb > budgetMb) {
      const text = `${total} containers of ${fn.key} need ${total * fn.spec.memoryMb} MiB; there are ${budgetMb}`;
      throw new IluvatarError('invalid', text);
    }
    if (lane.containers + count > fn.maxContainers) {
      const text = `${fn.key} may have ${fn.maxContainers} containers, not ${lane.containers + count}`;
      throw new IluvatarError('invalid', text);
    }
    this.request(lane, count, sink);
  }

  request(lane: FunctionLane, count: number, sink: PrewarmSink): void {
    this.#requests.push(new Request(lane, count, sink));
  }

  /** One of a request's containers is ready, or (with a failure) will never be. */
  ended(target: PrewarmTarget, failure: ContainerFailure | null): void {
    const request = target as Request;
    request.underWay--;
    if (failure === null) request.ready++;
    else request.failure = failure;
    this.#settleIfDone(request);
  }

  /** Gives up what is not under way yet; of one function, or of all. */
  giveUp(fn: FunctionEntry | null, message: string): void {
    for (const request of [...this.#requests]) {
      if (fn === null || request.lane.fn === fn) this.#fail(request, 'unavailable', message);
    }
  }

  serve(memoryIsAwaited: boolean): void {
    while (!memoryIsAwaited && this.#requests.length > 0) {
      const request = this.#requests[0] as Request;
      const { lane } = request;
      const { fn } = lane;
      if (lane.containers >= fn.maxContainers) {
        this.#fail(request, 'overloaded', `${fn.key} has all the containers it may have (${fn.maxContainers})`);
        continue;
      }
      const device = lane.scheduler.devices.roomiest(lane.deviceMb);
      const room = device === null ? 'none' : this.#supply.makeRoom(lane, device, fn, true);
      if (device === null || room !== 'now') {
        if (this.#leavingMb() > 0) return;
        const text = `there is no memory for another container of ${fn.key}`;
        this.#fail(request, 'overloaded', room === 'no address' ? this.#supply.withoutAddress : text);
        continue;
      }
      this.#create(request, device);
    }
  }

  #create(request: Request, device: number): void {
    const container = request.lane.scheduler.createUnclaimed(request.lane, device);
    // Room made a moment ago can be gone only if an answer raised from inside took it; the next round asks again.
    if (container === null) return;
    container.prewarm = request;
    request.underWay++;
    request.remaining--;
    if (request.remaining === 0) this.#drop(request);
    this.#supply.announce(container);
  }

  #fail(request: Request, errorClass: ContainerFailure['errorClass'], message: string): void {
    request.remaining = 0;
    request.failure = { errorClass, message, details: null, transient: false };
    this.#drop(request);
    this.#settleIfDone(request);
  }

  #drop(request: Request): void {
    const index = this.#requests.indexOf(request);
    if (index >= 0) this.#requests.splice(index, 1);
  }

  #settleIfDone(request: Request): void {
    if (request.remaining === 0 && request.underWay === 0) request.sink.settled(request.ready, request.failure);
  }
}
