import { writeSync } from 'node:fs';
import { PROBLEM_TYPE, problemOf } from '../../server/http/problems.js';

/**
 * A shard that hangs answers nobody, and is about to be ended with its connections. Its HTTP requests are answered here, from another thread: the descriptors are the
 * process's, and a thread that hangs writes nothing meanwhile. Clients of the unix socket see its end, which tells them the same.
 */

/** For each descriptor below this number: how many of its requests wait for the end of an invocation. */
const DESCRIPTORS = 65_536;

export function inFlightMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(DESCRIPTORS * Int32Array.BYTES_PER_ELEMENT);
}

/** Returns how many were answered. */
export function answerForShard(memory: SharedArrayBuffer, reason: string): number {
  const inFlight = new Int32Array(memory);
  const answer = answerOf(reason);
  let answered = 0;
  for (let descriptor = 0; descriptor < inFlight.length; descriptor++) {
    if (Atomics.exchange(inFlight, descriptor, 0) <= 0) continue;
    try {
      writeSync(descriptor, answer);
      answered++;
    } catch {
      // Its client has left, or takes nothing: there is nobody to be told.
    }
  }
  return answered;
}

function answerOf(reason: string): string {
  const message = `the worker's shard hangs (${reason}) and is ended; the invocation may have run`;
  const problem = problemOf('unavailable', message, { mayHaveRun: true }, '');
  const body = JSON.stringify(problem);
  return (
    `HTTP/1.1 ${problem.status} Service Unavailable\r\nconnection: close\r\ncontent-type: ${PROBLEM_TYPE}\r\n` +
    `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}
