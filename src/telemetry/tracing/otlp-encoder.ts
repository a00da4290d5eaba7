import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Attributes, AttributeValue, Span, SpanEvent } from './span.js';

/**
 * Spans as an `ExportTraceServiceRequest` of OTLP 1.x (opentelemetry/proto/trace/v1/trace.proto), field by field: of the official exporter only this message would be
 * used, and it brings a tracing SDK of its own.
 */

const Request = { resourceSpans: 1 } as const;
const ResourceSpans = { resource: 1, scopeSpans: 2 } as const;
const Resource = { attributes: 1 } as const;
const ScopeSpans = { scope: 1, spans: 2 } as const;
const Scope = { name: 1, version: 2 } as const;
const SpanField = {
  traceId: 1,
  spanId: 2,
  traceState: 3,
  parentSpanId: 4,
  name: 5,
  kind: 6,
  start: 7,
  end: 8,
  attributes: 9,
  events: 11,
  status: 15,
  flags: 16,
} as const;
const EventField = { time: 1, name: 2, attributes: 3 } as const;
const StatusField = { message: 2, code: 3 } as const;
const KeyValue = { key: 1, value: 2 } as const;
const AnyValue = { string: 1, bool: 2, int: 3 } as const;
const STATUS_ERROR = 2;
/** W3C's flag "sampled": what is recorded here is. */
const FLAGS_SAMPLED = 1;
const WORD = 2 ** 32;

export interface ScopeNames {
  readonly name: string;
  readonly version: string;
}

/** Everything of a request but its spans is the same each time: encoded once. */
export class OtlpEncoder {
  readonly #resource: Uint8Array;
  readonly #scope: Uint8Array;

  constructor(resource: Attributes, { name, version }: ScopeNames) {
    const writer = new BinaryWriter();
    attributes(writer, Resource.attributes, resource);
    this.#resource = writer.finish();
    this.#scope = new BinaryWriter()
      .tag(Scope.name, WireType.LengthDelimited)
      .string(name)
      .tag(Scope.version, WireType.LengthDelimited)
      .string(version)
      .finish();
  }

  encode(spans: readonly Span[]): Uint8Array<ArrayBuffer> {
    const writer = new BinaryWriter();
    nested(writer, Request.resourceSpans, () => {
      writer.tag(ResourceSpans.resource, WireType.LengthDelimited).bytes(this.#resource);
      nested(writer, ResourceSpans.scopeSpans, () => {
        writer.tag(ScopeSpans.scope, WireType.LengthDelimited).bytes(this.#scope);
        for (const one of spans) nested(writer, ScopeSpans.spans, () => span(writer, one));
      });
    });
    return writer.finish();
  }
}

function span(writer: BinaryWriter, one: Span): void {
  id(writer, SpanField.traceId, one.traceId);
  id(writer, SpanField.spanId, one.spanId);
  if (one.tracestate !== '') text(writer, SpanField.traceState, one.tracestate);
  if (one.parentId !== '') id(writer, SpanField.parentSpanId, one.parentId);
  text(writer, SpanField.name, one.name);
  writer.tag(SpanField.kind, WireType.Varint).uint32(one.kind);
  time(writer, SpanField.start, one.startUs);
  time(writer, SpanField.end, one.endUs);
  attributes(writer, SpanField.attributes, one.attributes);
  for (const event of one.events) nested(writer, SpanField.events, () => spanEvent(writer, event));
  const { error } = one;
  if (error !== null) {
    nested(writer, SpanField.status, () => {
      text(writer, StatusField.message, error);
      writer.tag(StatusField.code, WireType.Varint).uint32(STATUS_ERROR);
    });
  }
  writer.tag(SpanField.flags, WireType.Bit32).fixed32(FLAGS_SAMPLED);
}

function spanEvent(writer: BinaryWriter, event: SpanEvent): void {
  time(writer, EventField.time, event.atUs);
  text(writer, EventField.name, event.name);
  attributes(writer, EventField.attributes, event.attributes);
}

function attributes(writer: BinaryWriter, field: number, list: Attributes): void {
  for (const [key, value] of list) {
    nested(writer, field, () => {
      text(writer, KeyValue.key, key);
      nested(writer, KeyValue.value, () => anyValue(writer, value));
    });
  }
}

function anyValue(writer: BinaryWriter, value: AttributeValue): void {
  if (typeof value === 'string') text(writer, AnyValue.string, value);
  else if (typeof value === 'boolean') writer.tag(AnyValue.bool, WireType.Varint).bool(value);
  else writer.tag(AnyValue.int, WireType.Varint).int64(Math.round(value));
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value);
}

function id(writer: BinaryWriter, field: number, hex: string): void {
  writer.tag(field, WireType.LengthDelimited).bytes(Buffer.from(hex, 'hex'));
}

/** ns since 1970 as 64 bits, little-endian: µs times 1,000 in two words, since a double has only 53 bits. */
function time(writer: BinaryWriter, field: number, us: number): void {
  const low = (us % WORD) * 1000;
  const high = Math.floor(us / WORD) * 1000 + Math.floor(low / WORD);
  writer
    .tag(field, WireType.Bit64)
    .fixed32(low % WORD)
    .fixed32(high % WORD);
}

function nested(writer: BinaryWriter, field: number, write: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write();
  writer.join();
}
