import type { AsyncFailure, InvokeResult } from '../../config/api.js';
import type { Gateway, GatewayResult } from '../../server/gateway.js';

/** The end of an invocation as it is kept and shown: its body as bytes, the rest as plain JSON. */

/** Where payload tokens are read and given up: the transport, or a gateway on it. */
export type Payloads = Pick<Gateway, 'body' | 'drop'>;

const NOTHING = new Uint8Array(0);

/** A result's JSON text, '' for none. A token is used up. */
export function takeText(payload: number | Uint8Array | null, payloads: Payloads): string {
  return textOf(takeBytes(payload, payloads));
}

/** As `takeText`, as bytes of the caller's own. */
export function takeBytes(payload: number | Uint8Array | null, payloads: Payloads): Uint8Array {
  if (payload === null || payload === 0) return NOTHING;
  if (typeof payload !== 'number') return payload;
  const body = payloads.body(payload);
  payloads.drop(payload);
  return body;
}

/** All of a success but its value. */
export function aboutOf(result: GatewayResult): Omit<InvokeResult, 'result'> {
  return {
    tid: result.tid,
    containerState: result.state ?? 'warm',
    ...(result.device === null || result.device === undefined ? {} : { device: result.device }),
    phases: { queueUs: result.queueUs, startUs: result.startUs, runUs: result.runUs, throttledUs: result.throttledUs },
    attempts: result.attempts,
    stdout: result.details?.stdout ?? '',
    stderr: result.details?.stderr ?? '',
    ...(result.energy === null || result.energy === undefined ? {} : { energy: result.energy }),
  };
}

/** The public shape of a success. `text` is the function's result as JSON; '' reads as null. */
export function toInvokeResult(about: Omit<InvokeResult, 'result'>, text: string): InvokeResult {
  return { result: text === '' ? null : JSON.parse(text), ...about };
}

/** A copy that a store takes: nothing undefined in it. */
export function failureOf(result: GatewayResult): AsyncFailure {
  const { errorClass, message, details } = result;
  return {
    errorClass: errorClass ?? 'internal',
    message: message ?? errorClass ?? '',
    details: details === null ? null : JSON.parse(JSON.stringify(details)),
  };
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** Arguments for people: JSON where they are that, else text; none are null. */
export function readable(bytes: Uint8Array): unknown {
  const text = textOf(bytes);
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
