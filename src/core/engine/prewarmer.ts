import type { PrewarmTarget } from '../pool/container-entry.js';
import type { ContainerFailure } from '../ports.js';
import type { ContainerSupply } from './container-supply.js';
import type { FunctionEntry } from './function-entry.js';
import type { Scheduler } from './scheduler.js';

/** Told once how a prewarm request ended: how many containers became ready, and what went wrong with the others. */
export interface PrewarmSink {
  settled(ready: number, failure: ContainerFailure | null): void;
}

class Request implements PrewarmTarget {
  underWay = 0;
  ready = 0;
  failure: ContainerFailure | null = null;
  readonly fn: FunctionEntry;
  readonly sink: PrewarmSink;
  remaining: number;

  constructor(fn: FunctionEntry, count: number, sink: PrewarmSink) {
    this.fn = fn;
    this.remaining = count;
    this.sink = sink;
  }
}

/**
 * Containers made before they are asked for. Requests are served in order, after everything queued that needs memory; they evict idle
 * containers of other functions, never their own, and wait only for memory that is about to be free.
 */
export class Prewarmer {
  readonly #scheduler: Scheduler;
  readonly #supply: ContainerSupply;
  readonly #leavingMb: () => number;
  readonly #requests: Request[] = [];

  constructor(scheduler: Scheduler, supply: ContainerSupply, leavingMb: () => number) {
    this.#scheduler = scheduler;
    this.#supply = supply;
    this.#leavingMb = leavingMb;
  }

  /** Requests that still have containers to be created. */
  get pending(): number {
    return this.#requests.length;
  }

  request(fn: FunctionEntry, count: number, sink: PrewarmSink): void {
    this.#requests.push(new Request(fn, count, sink));
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
      if (fn === null || request.fn === fn) this.#fail(request, 'unavailable', message);
    }
  }

  serve(memoryIsAwaited: boolean): void {
    while (!memoryIsAwaited && this.#requests.length > 0) {
      const request = this.#requests[0] as Request;
      const { fn } = request;
      if (fn.containers >= fn.maxContainers) {
        this.#fail(request, 'overloaded', `${fn.key} has all the containers it may have (${fn.maxContainers})`);
        continue;
      }
      if (!this.#supply.makeRoom(fn, fn)) {
        if (this.#leavingMb() > 0) return;
        this.#fail(request, 'overloaded', `there is no memory for another container of ${fn.key}`);
        continue;
      }
      this.#create(request);
    }
  }

  #create(request: Request): void {
    const container = this.#scheduler.createUnclaimed(request.fn);
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
