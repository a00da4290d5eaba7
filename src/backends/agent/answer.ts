import { type ErrorDetails, errorClassOf } from '../../core/errors.js';
import type { ContainerFailure } from '../../core/ports.js';
import type { Frame } from '../../transport/frame.js';
import { RESULT_OUTPUT_CUT } from '../../transport/frames.js';
import type { RunResult } from '../backend.js';
import type { RunReading } from '../cgroups/run-meter.js';

/** What an agent's frames say: results, and why code could not be loaded. */

interface SaidByAgent extends ErrorDetails {
  message?: string;
}

/** The end of a run, from a RESULT frame. Takes over its body. */
export function resultOf(frame: Frame, { throttledUs, overMb, cpuUs }: RunReading): RunResult {
  const said = frame.metaBytes === 0 ? null : readMeta(frame);
  return {
    requestId: frame.requestId,
    errorClass: errorClassOf(frame.status),
    message: said?.message ?? null,
    details: said === null ? null : detailsOf(said, frame.flags),
    payload: frame.bodyBytes === 0 ? null : frame.keep(),
    runUs: frame.x2,
    throttledUs,
    overMb,
    cpuUs,
  };
}

/** From a READY frame with a status. */
export function failureOf(frame: Frame): ContainerFailure {
  const said = readMeta(frame);
  return {
    errorClass: errorClassOf(frame.status) ?? 'start_failed',
    message: said?.message ?? 'the code could not be loaded',
    details: said === null ? null : detailsOf(said, 0),
    transient: false,
  };
}

/** null = unreadable: what the agent says beside its answer is not worth failing the answer for. */
function readMeta(frame: Frame): SaidByAgent | null {
  try {
    const said = JSON.parse(frame.meta()) as SaidByAgent;
    return typeof said === 'object' && said !== null ? said : null;
  } catch {
    return null;
  }
}

function detailsOf(said: SaidByAgent, flags: number): ErrorDetails {
  const { traceback, stdout, stderr, evidence } = said;
  return {
    ...(typeof traceback === 'string' ? { traceback } : {}),
    ...(typeof stdout === 'string' ? { stdout } : {}),
    ...(typeof stderr === 'string' ? { stderr } : {}),
    ...(evidence !== undefined ? { evidence } : {}),
    ...((flags & RESULT_OUTPUT_CUT) !== 0 ? { evidence: { ...evidence, outputCut: true } } : {}),
  };
}
