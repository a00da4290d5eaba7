import type { FunctionRecord } from '../../function-record.js';
import type { Container } from '../container.js';

/**
 * Which idle containers of one device (the CPU, or one GPU) go: first when memory is needed (`victim`), and by themselves when their time is over (`expired`). The
 * engine tells it of containers as they become idle and stop being idle, so it knows exactly the idle ones and never looks at the others.
 *
 * All notices are on the warm path: O(1), or O(log n) where the policy's definition asks for an order. A policy may keep what it learns of functions beyond the
 * life of a container (frequencies, histograms of idle times). It must not call the engine. It destroys nothing itself. Times are the engine's clock, µs.
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
  /** Nothing is due before this, neither by `expired` nor by `prewarmDue`; µs, Infinity = never. May be too early, never too late. O(1). */
  nextExpiry(): number;
  /** An invocation of this function was accepted, whatever it will find. For policies that learn from arrivals. */
  arrived?(fn: FunctionRecord, now: number): void;
  /** A function that will soon be called and should have a container by then, or null. Asked again until null; each is named once. */
  prewarmDue?(now: number): FunctionRecord | null;
  /** The function is gone: forget it. */
  forget?(fn: FunctionRecord): void;
}
