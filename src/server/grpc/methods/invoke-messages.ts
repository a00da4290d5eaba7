import { isUtf8 } from 'node:buffer';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { PREFIX_BYTES, writePrefix } from '../message-reader.js';

/**
 * The two messages of the hot path, read and written without making a string of arguments or result: those go through as bytes. The generated codecs say the same, at
 * several times the cost.
 */

export interface InvokeRequestView {
  name: string;
  version: string;
  /** JSON text; a view of the message. */
  args: Uint8Array;
  tid: string;
  details: boolean;
}

const NOTHING = new Uint8Array(0);

/** Throws for what is no message. */
export function readInvokeRequest(message: Uint8Array): InvokeRequestView {
  const reader = new BinaryReader(message);
  const request: InvokeRequestView = { name: '', version: '', args: NOTHING, tid: '', details: false };
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 100 && type === WireType.Varint) request.details = reader.bool();
    else if (type !== WireType.LengthDelimited || field > 4) reader.skip(type, field);
    else if (field === 1) request.name = reader.string();
    else if (field === 2) request.version = reader.string();
    else if (field === 3) request.args = reader.bytes();
    else request.tid = reader.string();
  }
  return request;
}

/** The fields from number 100, encoded; null = the caller has not asked for them. */
export type Details = Uint8Array | null;

export interface InvokeAnswer {
  /** UTF-8. */
  readonly jsonResult: Uint8Array;
  readonly success: boolean;
  readonly durationUs: number;
  readonly compute: number;
  readonly containerState: number;
}

/** Tag and value of the small fields: 2 and 2 bytes of `success` and `container_state`, 2 of `compute`, 9 of `duration_us`; and of `json_result` its tag and length. */
const MOST_OVERHEAD = PREFIX_BYTES + 6 + 2 + 9 + 2 + 2;
export const REST_BYTES = MOST_OVERHEAD;

/** Tag of `json_result`, the first field of `InvokeResponse`. */
export const JSON_RESULT = 0x0a;

/** `InvokeResponse` with its prefix; fields are in the order of their numbers, and defaults are left out, as proto3 has it. */
export function writeInvokeResponse(answer: InvokeAnswer, details: Details): Buffer {
  const json = valid(answer.jsonResult);
  const frame = Buffer.allocUnsafe(MOST_OVERHEAD + json.length + (details?.length ?? 0));
  let at = PREFIX_BYTES;
  if (json.length > 0) {
    frame[at] = JSON_RESULT;
    at = writeVarint(frame, at + 1, json.length);
    frame.set(json, at);
    at += json.length;
  }
  at = writeRest(frame, at, answer, details);
  writePrefix(frame, at - PREFIX_BYTES);
  return frame.subarray(0, at);
}

/** All fields but `json_result`, from `start` on; returns where the next byte goes. Needs less than `REST_BYTES` beside the details. */
export function writeRest(
  frame: Uint8Array,
  start: number,
  answer: Omit<InvokeAnswer, 'jsonResult'>,
  details: Details,
): number {
  const { success, durationUs, compute, containerState } = answer;
  let at = start;
  if (success) {
    frame[at] = 0x10;
    frame[at + 1] = 1;
    at += 2;
  }
  if (durationUs > 0) {
    frame[at] = 0x18;
    at = writeVarint(frame, at + 1, durationUs);
  }
  if (compute > 0) {
    frame[at] = 0x20;
    at = writeVarint(frame, at + 1, compute);
  }
  if (containerState > 0) {
    frame[at] = 0x28;
    at = writeVarint(frame, at + 1, containerState);
  }
  if (details !== null) {
    frame.set(details, at);
    at += details.length;
  }
  return at;
}

/** A client takes a message whose text is no UTF-8 for a broken one, and its caller would learn nothing. */
function valid(text: Uint8Array): Uint8Array {
  return isUtf8(text) ? text : Buffer.from(new TextDecoder().decode(text));
}

/** A whole number of up to 53 bits; returns where the next byte goes. */
function writeVarint(frame: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    frame[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  frame[at++] = rest;
  return at;
}
