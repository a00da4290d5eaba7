import { join } from 'node:path';
import type { CapturedProfile } from '../../telemetry/profile/capture.js';
import { checkProfileName } from '../../telemetry/profile/profile-files.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit-codes.js';
import type { LoadFlags } from './load-options.js';

/** `load … --profile`: what the worker's threads do while it is loaded. */

/** As the worker allows. */
const LONGEST_MS = 60_000;
/** Of a load whose length is not known. */
const USUAL_MS = 10_000;
const FILE = 'profile.svg';

export interface LoadProfile {
  readonly files: readonly string[];
  /** Of the worker. */
  readonly socket: string;
  readonly ms: number;
}

/** Null = none is wanted. `lengthUs`: of the load, null = not known. Throws UsageError where there is no socket to ask over. */
export async function loadProfileOf(
  context: Context,
  { profile, out, duration }: Pick<LoadFlags, 'profile' | 'out' | 'duration'>,
  target: string,
  lengthUs: number | null,
): Promise<LoadProfile | null> {
  if (profile === undefined) return null;
  if (target === 'worker' || target === 'simulated') {
    throw new UsageError(`--profile is of a running worker; the target "${target}" is this very process`);
  }
  const file = profile === true ? join(out ?? '.', FILE) : profile;
  checkProfileName(file);
  const { resolvePaths } = await import('../../config/paths.js');
  const isSocket = target.startsWith('/') || target.startsWith('unix:');
  const socket = isSocket ? target.replace(/^unix:(?:\/\/)?/, '') : resolvePaths((await context.load()).config).socket;
  const known = [duration, lengthUs === null ? undefined : lengthUs / 1000].filter((ms) => ms !== undefined);
  const ms = known.length === 0 ? USUAL_MS : Math.min(LONGEST_MS, ...known);
  return { files: [file], socket, ms: Math.max(10, Math.round(ms)) };
}

/** From now on for so long. Rejects as `captureProfile`, and with `unavailable` when nobody answers on the socket. */
export async function takeLoadProfile({ files, socket, ms }: LoadProfile): Promise<CapturedProfile> {
  const [{ connect }, { captureProfile }] = await Promise.all([
    import('../../client/client.js'),
    import('../../telemetry/profile/capture.js'),
  ]);
  const client = await connect(socket);
  try {
    return await captureProfile(client, files, { ms });
  } finally {
    client.close();
  }
}
