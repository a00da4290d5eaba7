import { setTimeout as sleep } from 'node:timers/promises';

/** CPU profiles of the thread that asks, by V8's own sampler: the format of `.cpuprofile` files. */

export interface CallFrame {
  readonly functionName: string;
  /** '' = not of JavaScript. */
  readonly url: string;
  /** From 0. */
  readonly lineNumber: number;
  readonly columnNumber: number;
}

export interface ProfileNode {
  readonly id: number;
  readonly callFrame: CallFrame;
  readonly children?: readonly number[] | undefined;
}

/** Times are µs. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly startTime: number;
  readonly endTime: number;
  /** Of each sample, the id of the node that was on top. */
  readonly samples?: readonly number[] | undefined;
  /** From the sample before to each. */
  readonly timeDeltas?: readonly number[] | undefined;
}

export interface ProfileRequest {
  readonly ms: number;
  /** Between two samples; µs. */
  readonly intervalUs: number;
}

export interface ThreadProfile {
  readonly thread: string;
  readonly profile: CpuProfile;
}

let underWay = false;

/** Samples this thread for so long. Null when that is being done already: two samplers would see each other. */
export async function profileThisThread({ ms, intervalUs }: ProfileRequest): Promise<CpuProfile | null> {
  if (underWay) return null;
  underWay = true;
  // Loaded only when it is needed: it is of no use to a worker that nobody profiles.
  const { Session } = await import('node:inspector/promises');
  const session = new Session();
  try {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: intervalUs });
    await session.post('Profiler.start');
    await sleep(ms);
    const { profile } = await session.post('Profiler.stop');
    return profile;
  } finally {
    session.disconnect();
    underWay = false;
  }
}
