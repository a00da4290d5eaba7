import type { FunctionRecord } from '../function-record.js';
import type { Invocation } from '../invocation.js';

/**
 * The order in which queued invocations leave for the devices of one kind (the CPU, or all GPUs). The engine asks for the next one, tries to place it, and either takes
 * it out or leaves it at the head: nothing behind a head that waits for CPU slots or memory overtakes it, unless the policy itself changes its choice.
 *
 * A policy may keep priorities fixed at `push`, batches, or flows with virtual time; it sees starts and ends through `started` and `ended`. It must not
 * call the engine. Times are the engine's clock, µs. Not promised to it: that every invocation passes through it (`bypassWhenEmpty`), or that one it chose starts at once.
 */
export interface QueuePolicy {
  /** Invocations in it. */
  readonly length: number;
  /** True: an invocation that finds nothing queued may start without `push`. False for policies that charge every one. */
  readonly bypassWhenEmpty: boolean;
  /** `expectedUs`: what it is expected to take from leaving the queue, at this moment; 0 = unknown. */
  push(invocation: Invocation, expectedUs: number, now: number): void;
  /** One that was in here before and could not run: ahead of all others that came after it. */
  requeue(invocation: Invocation, now: number): void;
  /**
   * The next one to go, which stays in; null = none now (flows may all be throttled). `device` is the index of the GPU whose token is
   * held for it, -1 for the CPU. Asked again without anything having changed, the answer is the same.
   */
  choose(device: number, now: number): Invocation | null;
  /** It is in here and leaves: to run (then `started` follows), or because its time passed or its caller left. */
  remove(invocation: Invocation): void;
  /** It has a place in a container, or one is being made for it. `queueNode` is as `remove` left it, or null when it never was in here. */
  started(invocation: Invocation, now: number): void;
  /** It was started and has ended, or goes back by `requeue`. */
  ended(invocation: Invocation, now: number): void;
  /** How long one more invocation of this function would wait in here; µs. Without it, the engine divides the expected work by what runs at once. */
  waitUs?(fn: FunctionRecord, now: number): number;
  /** Chance that one more invocation of this function would find a warm container: 0 … 1. Without it, whether it has any container at all decides. */
  hitProbability?(fn: FunctionRecord): number;
  /** Its inner state for status and logs: plain JSON. */
  report?(now: number): unknown;
}
