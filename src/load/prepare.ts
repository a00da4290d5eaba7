import { setTimeout as sleep } from 'node:timers/promises';
import { IluvatarError } from '../core/errors.js';
import type { LoadFunction, LoadTarget } from './target.js';

/** What is done before the first arrival: functions are registered, and containers made. */

export interface PreparedFunction extends LoadFunction {
  /** Containers made before the first arrival. */
  readonly prewarms: number;
}

export interface PrepareOptions {
  /** Registered at once; 40 unless given. */
  readonly registrations?: number;
  /** Containers made at once; 4 unless given. */
  readonly prewarmings?: number;
  /** Of a container that cannot be made; 3 unless given. */
  readonly tries?: number;
  readonly signal?: AbortSignal;
  readonly progress?: (done: number, all: number, what: 'registered' | 'prewarmed') => void;
}

/** Between two tries to prewarm; ms. */
const PAUSE_MS = 100;

/**
 * Registers all, then prewarms those that want it. Rejects with the first failure, naming the function: a load without one of its functions would measure something else.
 */
export async function prepareFunctions(
  target: LoadTarget,
  functions: readonly PreparedFunction[],
  options: PrepareOptions = {},
): Promise<void> {
  const { registrations = 40, prewarmings = 4, tries = 3, progress, signal } = options;
  let registered = 0;
  await atOnce(registrations, functions, async (fn) => {
    signal?.throwIfAborted();
    const { name, version = '1' } = fn.definition;
    try {
      await target.register(fn);
    } catch (error) {
      throw about(error, `${name}@${version} cannot be registered`);
    }
    progress?.(++registered, functions.length, 'registered');
  });
  // One by one, so that what is tried again is what failed.
  const containers = functions.flatMap(({ definition, prewarms }) =>
    Array.from({ length: prewarms }, () => definition),
  );
  let prewarmed = 0;
  await atOnce(prewarmings, containers, async ({ name, version = '1' }) => {
    signal?.throwIfAborted();
    await prewarm(target, name, version, tries);
    progress?.(++prewarmed, containers.length, 'prewarmed');
  });
}

async function prewarm(target: LoadTarget, name: string, version: string, tries: number): Promise<void> {
  for (let left = tries; ; left--) {
    try {
      await target.prewarm(name, { version, count: 1 });
      return;
    } catch (error) {
      if (left <= 1) throw about(error, `${name}@${version} cannot be prewarmed (${tries} tries)`);
      await sleep(PAUSE_MS);
    }
  }
}

/** So many at once; the first failure is the failure of all, and begins no further one. */
async function atOnce<Item>(limit: number, items: readonly Item[], act: (item: Item) => Promise<void>): Promise<void> {
  const left = items.values();
  let failed = false;
  const one = async (): Promise<void> => {
    for (const item of left) {
      if (failed) return;
      try {
        await act(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.max(1, limit) }, one));
  const failure = ended.find(({ status }) => status === 'rejected');
  if (failure?.status === 'rejected') throw failure.reason;
}

function about(error: unknown, text: string): Error {
  if (!(error instanceof IluvatarError)) return error as Error;
  return new IluvatarError(error.errorClass, `${text}: ${error.message}`, error.details);
}
