import type { MethodName } from '../../config/api.js';
import type { ThreadProfile } from './cpu-profile.js';
import type { FoldOptions } from './folded.js';
import { checkProfileName, writeProfile } from './profile-files.js';

/** Profiles of a running worker, taken over its unix socket. */

export interface ProfileCaller {
  call(method: MethodName, params: Record<string, unknown>): Promise<unknown>;
}

export interface CaptureOptions extends FoldOptions {
  /** How long; ms. */
  readonly ms: number;
  /** Between two samples; µs, the worker's default when absent. */
  readonly intervalUs?: number | undefined;
  /** Of these threads alone: `main`, `shard-0`, `life-cycle-1`, …; all when absent. */
  readonly threads?: readonly string[] | undefined;
}

/** What the worker answers. */
export interface WorkerProfile {
  readonly worker: string;
  readonly ms: number;
  readonly threads: readonly ThreadProfile[];
}

export interface CapturedProfile extends WorkerProfile {
  /** That were written. */
  readonly files: readonly string[];
}

/**
 * Has a worker's threads sampled for so long and writes what they did (`PROFILE_EXTENSIONS`). Rejects with `unavailable` when the worker does not allow it (`profiling.enabled`), `conflict` when somebody
 * else is doing so.
 */
export async function captureProfile(
  caller: ProfileCaller,
  files: readonly string[],
  { ms, intervalUs, threads, idle }: CaptureOptions,
): Promise<CapturedProfile> {
  for (const file of files) checkProfileName(file);
  const params = {
    ms,
    ...(intervalUs === undefined ? {} : { intervalUs }),
    ...(threads === undefined ? {} : { threads }),
  };
  const found = (await caller.call('profile', params)) as WorkerProfile;
  const title = `${found.worker}: ${found.threads.map(({ thread }) => thread).join(', ')} for ${(ms / 1000).toFixed(1)} s`;
  const written: string[] = [];
  for (const file of files) {
    written.push(...(await writeProfile(file, found.threads, title, idle === undefined ? {} : { idle })));
  }
  return { ...found, files: written };
}
