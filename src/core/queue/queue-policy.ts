import type { Invocation } from '../invocation.js';

/**
 * The order in which queued invocations leave. The engine asks for the next one, tries to place it, and either takes it out or leaves it at the
 * head: nothing behind a head that waits for CPU slots or memory overtakes it, unless the policy itself changes its choice.
 *
 * A policy may keep priorities fixed at `push`, batches, or flows with virtual time; it sees starts and ends through `started` and `ended`. It must not
 * call the engine. Not promised to it: that every invocation passes through it (`bypassWhenEmpty`), or that one it chose starts at once.
 */
export interface QueuePolicy {
  /** Invocations in it. */
  readonly length: number;
  /** True: an invocation that finds nothing queued may start without `push`. False for policies that charge every one. */
  readonly bypassWhenEmpty: boolean;
  /** `expectedUs`: what it is expected to take, at this moment; 0 = unknown. */
  push(invocation: Invocation, expectedUs: number): void;
  /** One that was in here before and could not run: ahead of all others that came after it. */
  requeue(invocation: Invocation): void;
  /**
   * The next one to go, which stays in; null = none now (flows may all be throttled). `device` is the index of the device whose token is
   * held for it, -1 for the CPU. Asked again without anything having changed, the answer is the same.
   */
  choose(device: number): Invocation | null;
  /** It is in here and leaves: to run, or because its time passed or its caller left. */
  remove(invocation: Invocation): void;
  /** It has a container. */
  started(invocation: Invocation): void;
  /** It was started and has ended, or goes back by `requeue`. */
  ended(invocation: Invocation): void;
}
