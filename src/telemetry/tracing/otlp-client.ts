import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { TracingConfig } from '../../config/sections/tracing.js';

/**
 * One request of OTLP over HTTP (https://opentelemetry.io/docs/specs/otlp/#otlphttp), and what its answer means. Protocol buffers and not JSON: every receiver must take
 * them, and they are half as long.
 */

const compress = promisify(gzip);

export interface OtlpAnswer {
  /** Spans that the collector took the request for, and refused for good. */
  readonly refused: number;
  /** Why, or what it wants to be told to somebody; '' = nothing. */
  readonly message: string;
}

/** The request has failed. `lasting`: it would fail again; else it may be sent again, not before `retryAfterMs`. */
export class OtlpFailure extends Error {
  readonly lasting: boolean;
  readonly retryAfterMs: number;

  constructor(message: string, lasting: boolean, retryAfterMs: number) {
    super(message);
    this.lasting = lasting;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Statuses after which the specification has a client try again. */
const PASSING: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const MOST_RETRY_AFTER_MS = 60_000;
const MOST_ANSWER_BYTES = 64 * 1024;

export type OtlpSettings = Pick<TracingConfig, 'endpoint' | 'headers' | 'compression' | 'timeoutMs'>;

/** Rejects with an OtlpFailure. */
export async function postSpans(
  settings: OtlpSettings,
  body: Uint8Array<ArrayBuffer>,
  stop: AbortSignal,
): Promise<OtlpAnswer> {
  const headers: Record<string, string> = { ...settings.headers, 'content-type': 'application/x-protobuf' };
  const packed = settings.compression === 'gzip' ? new Uint8Array(await compress(body)) : body;
  if (settings.compression === 'gzip') headers['content-encoding'] = 'gzip';
  const signal = AbortSignal.any([stop, AbortSignal.timeout(settings.timeoutMs)]);
  let status: number;
  let retryAfter: string | null;
  let answer: Uint8Array;
  try {
    const response = await fetch(settings.endpoint, {
      method: 'POST',
      headers,
      body: packed,
      redirect: 'manual',
      signal,
    });
    status = response.status;
    retryAfter = response.headers.get('retry-after');
    answer = await readAtMost(response, MOST_ANSWER_BYTES);
  } catch (error) {
    const { cause, message } = error as Error;
    const reason = cause instanceof Error && cause.message !== '' ? cause.message : message;
    throw new OtlpFailure(`${settings.endpoint}: ${reason}`, false, 0);
  }
  if (status === 200) return partialSuccess(answer);
  const said = `${settings.endpoint} answered ${status}`;
  throw new OtlpFailure(said, !PASSING.has(status), retryAfterMs(retryAfter));
}

/** A stranger's answer must not fill the memory. */
async function readAtMost(response: Response, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  if (response.body === null) return new Uint8Array(0);
  for await (const chunk of response.body) {
    bytes += chunk.length;
    if (bytes > limit) break;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** ExportTraceServiceResponse: partial_success = 1 { rejected_spans = 1, error_message = 2 }. What cannot be read says nothing: the status was 200. */
function partialSuccess(bytes: Uint8Array): OtlpAnswer {
  let refused = 0;
  let message = '';
  try {
    for (const [field, value] of fields(bytes)) {
      if (field !== 1 || !(value instanceof Uint8Array)) continue;
      for (const [inner, content] of fields(value)) {
        if (inner === 1 && !(content instanceof Uint8Array)) refused = Number(content);
        if (inner === 2 && content instanceof Uint8Array) message = Buffer.from(content).toString('utf8');
      }
    }
  } catch {
    return { refused: 0, message: '' };
  }
  return { refused, message };
}

function* fields(bytes: Uint8Array): Generator<[field: number, value: Uint8Array | bigint | string]> {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type === WireType.LengthDelimited) yield [field, reader.bytes()];
    else if (type === WireType.Varint) yield [field, reader.int64()];
    else reader.skip(type, field);
  }
}

/** Seconds, or a date; ms from now, 0 = it does not say. */
function retryAfterMs(text: string | null): number {
  if (text === null) return 0;
  const seconds = Number(text);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), MOST_RETRY_AFTER_MS) : 0;
}
