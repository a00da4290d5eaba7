/** Frame types and constants of docs/protocol.md. The codec is native/transport; this file only names the numbers. */
export const FrameType = {
  hello: 1,
  error: 2,
  ping: 3,
  pong: 4,
  invoke: 5,
  result: 6,
  cancel: 7,
  call: 8,
  reply: 9,
  event: 10,
  spawn: 16,
  spawned: 17,
  assign: 18,
  ready: 19,
  exited: 20,
  log: 21,
  zygote: 22,
} as const;

export const PROTOCOL_VERSION = 1;

/** RESULT flags, bits 0–1: the state of the container that ran it. */
export const RESULT_STATES = [null, 'cold', 'prewarm', 'warm'] as const;
export const RESULT_OUTPUT_CUT = 4;

/** The transaction id of a request that names none: its client's prefix (HELLO meta `tid`), then its number as eight hex digits. */
export function transactionId(prefix: string, requestId: number): string {
  return prefix + requestId.toString(16).padStart(8, '0');
}
