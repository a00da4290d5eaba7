import type { ErrorClass } from '../../core/errors.js';
import type { RunRequest } from '../backend.js';

/**
 * How invocations reach the code in a container: frames, or one of the original's agent protocols. One per container. The framed way is
 * `ProcessContainer` itself, since nothing may stand between it and its connection.
 */
export interface AgentChannel {
  run(request: RunRequest): void;
  close(): void;
}

/** What an old agent tells its container. */
export interface ChannelEvents {
  ready(): void;
  answered(
    requestId: number,
    errorClass: ErrorClass | null,
    message: string | null,
    body: Uint8Array | null,
    runUs: number,
  ): void;
  /** The agent is gone or talks nonsense; the container is of no more use. */
  broken(reason: string): void;
}

/** The original's reply: `{user_result?, user_error?, start, end, was_cold, duration_sec}`, whose results are JSON inside JSON strings. */
interface ParsedResult {
  user_result?: unknown;
  user_error?: unknown;
  duration_sec?: unknown;
}

export interface OldAnswer {
  readonly errorClass: ErrorClass | null;
  readonly message: string | null;
  readonly body: Uint8Array | null;
  readonly runUs: number;
}

/** null = not a reply of that kind. */
export function parseOldAnswer(text: string): OldAnswer | null {
  let reply: ParsedResult;
  try {
    reply = JSON.parse(text) as ParsedResult;
  } catch {
    return null;
  }
  if (typeof reply !== 'object' || reply === null) return null;
  const seconds = typeof reply.duration_sec === 'number' && reply.duration_sec > 0 ? reply.duration_sec : 0;
  const runUs = Math.min(0xffffffff, Math.round(seconds * 1e6));
  if (typeof reply.user_result === 'string') {
    return { errorClass: null, message: null, body: Buffer.from(asJson(reply.user_result)), runUs };
  }
  if (reply.user_error !== undefined && reply.user_error !== null) {
    return { errorClass: 'user_error', message: asText(reply.user_error), body: null, runUs };
  }
  return null;
}

/** A result that is no JSON text after all becomes a JSON string, so that callers can always parse what they get. */
function asJson(text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify(text);
  }
}

function asText(error: unknown): string {
  if (typeof error !== 'string') return JSON.stringify(error);
  try {
    const inner = JSON.parse(error) as unknown;
    return typeof inner === 'string' ? inner : error;
  } catch {
    return error;
  }
}
