import type { Container } from '../container.js';

/**
 * Which idle containers go: first when memory is needed (`victim`), and by themselves when their time is over (`expired`). The engine tells it of
 * containers as they become idle and stop being idle, so it knows exactly the idle ones and never looks at the others.
 *
 * Both notices are on the warm path: O(1), or amortised so. A policy may keep what it learns of functions beyond the life of a container
 * (frequencies, histograms of idle times). It must not call the engine. It destroys nothing itself.
 */
export interface EvictionPolicy {
  /** It has become idle, at `container.idleSince`. */
  idle(container: Container): void;
  /** It is idle no more: taken for an invocation (`used` true), or about to be destroyed. */
  leave(container: Container, used: boolean): void;
  /** The idle container to destroy next when memory is needed; it stays in until `leave`. Null = none is idle. */
  victim(): Container | null;
  /** An idle container whose time is over at `now` (µs), or null. Asked again after each has left. */
  expired(now: number): Container | null;
  /** No container's time is over before this; µs, Infinity = never. May be too early, never too late. O(1). */
  nextExpiry(): number;
}
