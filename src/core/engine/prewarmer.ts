import { CreationAttempts, type CreationCause, withCauses } from '../creation/creation-attempts.js';
import { IluvatarError } from '../errors.js';
import type { Device } from '../function.js';
import type { PrewarmTarget } from '../pool/container-entry.js';
import type { ContainerFailure } from '../ports.js';
import type { ContainerSupply } from './container-supply.js';
import type { FunctionEntry } from './function-entry.js';
import type { FunctionLane } from './function-lane.js';

/** Told once how a prewarm request ended: how many containers became ready, in how many attempts, and what went wrong with the others. */
export interface PrewarmSink {
  settled(ready: number, failure: ContainerFailure | null, attempts: number): void;
}

/** For requests that nobody waits for. */
export const unwatched: PrewarmSink = { settled() {} };

/** Of one request, told to its caller: a thousand containers that fail alike have one story. */
const MOST_CAUSES = 100;

class Request {
  underWay = 0;
  ready = 0;
  /** Containers that were begun. */
  attempts = 0;
  failure: ContainerFailure | null = null;
  readonly causes: CreationCause[] = [];
  /** Of containers that could not be made and are to be tried again. */
  again: CreationAttempts[] = [];
  readonly id: number;
  readonly lane: FunctionLane;
  readonly sink: PrewarmSink;
  /** Containers that were not tried yet. */
  remaining: number;

  constructor(id: number, lane: FunctionLane, count: number, sink: PrewarmSink) {
    this.id = id;
    this.lane = lane;
    this.remaining = count;
    this.sink = sink;
  }
}

/** One container of a request. */
class Place implements PrewarmTarget {
  readonly request: Request;
  readonly attempts: CreationAttempts;

  constructor(request: Request, attempts: CreationAttempts) {
    this.request = request;
    this.attempts = attempts;
  }
}

/**
 * Containers made before they are asked for. Requests are served in order, after everything queued that needs memory; they evict idle
 * containers of other functions, never their own, and wait only for memory that is about to be free. One whose function is in a back-off holds up no other.
 */
export class Prewarmer {
  readonly #supply: ContainerSupply;
  readonly #leavingMb: () => number;
  /** Those with containers to be begun, oldest first. */
  readonly #requests: Request[] = [];
  #lastId = 0;
  /** Nothing is tried again any more, for this reason. */
  #closed: string | null = null;

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
    const totalMb = fn.lanes.reduce((sum, { containers, hostMb }) => sum + containers * hostMb, count * lane.hostMb);
    if (totalMb > budgetMb) {
      const text = `${fn.containers + count} containers of ${fn.key} need ${totalMb} MiB; there are ${budgetMb}`;
      throw new IluvatarError('invalid', text);
    }
    if (lane.containers + count > fn.maxContainers) {
      const text = `${fn.key} may have ${fn.maxContainers} containers, not ${lane.containers + count}`;
      throw new IluvatarError('invalid', text);
    }
    this.request(lane, count, sink);
  }

  request(lane: FunctionLane, count: number, sink: PrewarmSink): void {
    this.#requests.push(new Request(++this.#lastId, lane, count, sink));
  }

  /** One of a request's containers is ready, or (with a failure) will never be. */
  ended(target: PrewarmTarget, failure: ContainerFailure | null): void {
    const { request, attempts } = target as Place;
    request.underWay--;
    if (failure === null) request.ready++;
    else request.failure = failure;
    this.#note(request, attempts);
    this.#settleIfDone(request);
  }

  /** One of a request's containers could not be made. It is tried again, at once or when its function's back-off is over. */
  again(target: PrewarmTarget, failure: ContainerFailure): void {
    const { request, attempts } = target as Place;
    if (this.#closed !== null || request.lane.fn.removed) {
      this.ended(target, failure);
      return;
    }
    request.underWay--;
    request.again.push(attempts);
    if (this.#requests.includes(request)) return;
    const after = this.#requests.findIndex(({ id }) => id > request.id);
    this.#requests.splice(after < 0 ? this.#requests.length : after, 0, request);
  }

  /** Gives up what is not under way yet; of one function, or of all, and then for good. */
  giveUp(fn: FunctionEntry | null, message: string): void {
    if (fn === null) this.#closed = message;
    for (const request of [...this.#requests]) {
      if (fn === null || request.lane.fn === fn) this.#fail(request, 'unavailable', message);
    }
  }

  serve(memoryIsAwaited: boolean): void {
    if (memoryIsAwaited) return;
    for (let request = this.#first(); request !== null; request = this.#first()) {
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

  #first(): Request | null {
    for (const request of this.#requests) if (request.lane.closedUntil === 0) return request;
    return null;
  }

  #create(request: Request, device: number): void {
    const attempts = request.again[0] ?? new CreationAttempts();
    const container = request.lane.scheduler.createUnclaimed(request.lane, device, attempts);
    // Room made a moment ago can be gone only if an answer raised from inside took it; the next round asks again.
    if (container === null) return;
    if (request.again.shift() === undefined) request.remaining--;
    container.prewarm = new Place(request, attempts);
    request.underWay++;
    request.attempts++;
    if (request.remaining === 0 && request.again.length === 0) this.#drop(request);
    this.#supply.announce(container);
  }

  #fail(request: Request, errorClass: ContainerFailure['errorClass'], message: string): void {
    for (const attempts of request.again) this.#note(request, attempts);
    request.again = [];
    request.remaining = 0;
    request.failure = { errorClass, message, details: null, transient: false };
    this.#drop(request);
    this.#settleIfDone(request);
  }

  #drop(request: Request): void {
    const index = this.#requests.indexOf(request);
    if (index >= 0) this.#requests.splice(index, 1);
  }

  #note({ causes }: Request, { causes: more }: CreationAttempts): void {
    for (const cause of more) if (causes.length < MOST_CAUSES) causes.push(cause);
  }

  #settleIfDone(request: Request): void {
    const { remaining, underWay, again, sink, ready, failure, causes, attempts } = request;
    if (remaining > 0 || underWay > 0 || again.length > 0) return;
    const told =
      failure === null || causes.length === 0
        ? failure
        : { ...failure, details: withCauses(failure.details, causes, attempts) };
    sink.settled(ready, told, attempts);
  }
}
