import { constants } from 'node:os';
import type { ContainerFailure } from '../../core/ports.js';
import type { CgroupEvidence } from '../../native.js';
import type { Frame } from '../../transport/frame.js';

/** Names the reason why a container ended, from what its supervisor said and what its cgroup counted. */
export interface Exit {
  readonly code: number;
  /** 0 = it exited by itself. */
  readonly signal: number;
  /** Set when the container could not be put together after ASSIGN. */
  readonly message: string | null;
  readonly step: string | null;
}

/** An agent that finds its connection closed or replaced by the user's code. */
const EXIT_DESCRIPTOR_LOST = 121;

// Some numbers have two names (6 is SIGABRT and SIGIOT); the first is the one people know.
const SIGNALS = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);

export function readExit(frame: Frame): Exit {
  let meta: { message?: string; step?: string } = {};
  if (frame.metaBytes > 0) {
    try {
      meta = JSON.parse(frame.meta()) as typeof meta;
    } catch {
      // The numbers in the header say enough.
    }
  }
  return { code: frame.x0, signal: frame.x1, message: meta.message ?? null, step: meta.step ?? null };
}

export function describeExit(exit: Exit): string {
  if (exit.message !== null) return exit.step === null ? exit.message : `${exit.message} (${exit.step})`;
  if (exit.signal !== 0) return `the process was killed by ${SIGNALS.get(exit.signal) ?? `signal ${exit.signal}`}`;
  if (exit.code === EXIT_DESCRIPTOR_LOST) {
    return 'the function closed or replaced the file descriptor on which the worker talks to it';
  }
  return `the process exited with code ${exit.code}`;
}

export interface Ended {
  /** null = the supervisor never said. */
  readonly exit: Exit | null;
  /** The agent's connection broke with this error (garbage, a cut frame); null = it just ended. */
  readonly garbage: string | null;
  readonly evidence: CgroupEvidence | null;
  /** The code had been loaded. */
  readonly ready: boolean;
  /** A run was cancelled, which costs the container: why. */
  readonly cancelled: 'timeout' | 'cancelled' | null;
  /** Runs that nobody cancelled die with it. */
  readonly othersRunning: boolean;
  readonly stderr: string;
}

export function classifyEnd(ended: Ended): ContainerFailure {
  const { exit, evidence } = ended;
  const details = (more: Record<string, unknown>): ContainerFailure['details'] => ({
    evidence: {
      ...(exit === null
        ? {}
        : { exitCode: exit.code, signal: exit.signal === 0 ? null : (SIGNALS.get(exit.signal) ?? exit.signal) }),
      ...more,
    },
    ...(ended.stderr === '' ? {} : { stderr: ended.stderr }),
  });
  if (evidence !== null && evidence.oomKills > 0) {
    const limit = evidence.limitBytes;
    return {
      errorClass: 'out_of_memory',
      message: limit === null ? 'out of memory' : `out of memory: the limit is ${Math.round(limit / 1048576)} MiB`,
      details: details({
        limitBytes: limit,
        peakBytes: evidence.peakBytes,
        oomKills: evidence.oomKills,
        limitHits: evidence.limitHits,
      }),
      transient: false,
    };
  }
  if (ended.cancelled !== null && ended.othersRunning) {
    return {
      errorClass: 'crashed',
      message: `its container was ended because another invocation in it ${ended.cancelled === 'timeout' ? 'overran its time' : 'was cancelled'}`,
      details: null,
      transient: true,
    };
  }
  if (ended.cancelled === 'timeout') {
    return {
      errorClass: 'timeout',
      message: 'the function did not finish in its time',
      details: details({}),
      transient: false,
    };
  }
  if (ended.cancelled === 'cancelled') {
    return { errorClass: 'cancelled', message: 'the invocation was cancelled', details: details({}), transient: false };
  }
  if (exit?.message !== null && exit?.message !== undefined) {
    // Putting a container together failed on our side (a mount, a limit), which another try may not meet.
    return {
      errorClass: 'start_failed',
      message: describeExit(exit),
      details: details({ step: exit.step }),
      transient: true,
    };
  }
  const what =
    ended.garbage !== null
      ? `the function wrote to the worker's connection, or cut it (${ended.garbage})`
      : exit === null
        ? 'the container ended without saying why: its supervisor was killed'
        : describeExit(exit);
  if (ended.ready) return { errorClass: 'crashed', message: what, details: details({}), transient: exit === null };
  const loading = exit === null ? what : `${what} while its code was loaded`;
  return {
    errorClass: 'start_failed',
    message: loading,
    details: details({}),
    transient: exit === null && ended.garbage === null,
  };
}
