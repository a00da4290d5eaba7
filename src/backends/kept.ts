import * as z from 'zod';
import { native } from '../native.js';

/**
 * Containers that outlive the worker's process. Something that does not die with it (the keeper) holds their descriptors and what is written here; the next process, or the shard after
 * one that crashed, takes them over.
 */

/** What a backend says of a container of its own. */
export interface KeepableContainer {
  /** For whoever takes it over: plain data, which that one checks before it believes it. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** Of connections and pipes that must not close meanwhile, in an order that the backend knows. They stay its own. */
  readonly fds: readonly number[];
}

/** What comes back. */
export interface KeptContainer {
  /** `<worker>/<container>`, as `BackendContainer.name` was. */
  readonly name: string;
  readonly facts: unknown;
  /** The backend's to close from `adopt` on. */
  readonly fds: readonly number[];
  /** Invocations that it had been given and that had not ended. */
  readonly running: number;
}

/** Opened by another process: Node would warn of each that a thread closes by its own means. */
export function closeAll(fds: readonly number[]): void {
  for (const fd of fds) native().system.close(fd);
}

/** Of every backend: what of a container lies outside of it. */
export const commonFacts = z.object({
  /** Its folder in every hierarchy. */
  cgroup: z.string().regex(/^c\d+$/),
  /** Its lease of a network namespace; null = none. */
  network: z.object({ name: z.string(), address: z.string().nullable() }).loose().nullable(),
});

/** The number in a container's name: new ones get higher ones. */
export function numberOf(cgroup: string): number {
  return Number(cgroup.slice(1));
}
