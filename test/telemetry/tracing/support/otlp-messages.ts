/** Spans out of an ExportTraceServiceRequest, read without any code of what wrote it. Field numbers: opentelemetry/proto/trace/v1/trace.proto. */

export interface ReceivedEvent {
  name: string;
  /** ns since 1970. */
  at: bigint;
  attributes: Record<string, unknown>;
}

export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  parentId: string;
  tracestate: string;
  name: string;
  kind: number;
  start: bigint;
  end: bigint;
  attributes: Record<string, unknown>;
  events: ReceivedEvent[];
  status: { code: number; message: string };
  resource: Record<string, unknown>;
}

type Value = bigint | Buffer;
type Message = Map<number, Value[]>;

export function decodeSpans(request: Buffer): ReceivedSpan[] {
  return list(read(request), 1).flatMap((resourceSpans) => {
    const parts = read(resourceSpans);
    const resource = attributes(read(bytes(parts, 1)), 1);
    return list(parts, 2).flatMap((scope) => list(read(scope), 2).map((span) => spanOf(read(span), resource)));
  });
}

function spanOf(span: Message, resource: Record<string, unknown>): ReceivedSpan {
  const status = read(bytes(span, 15));
  return {
    traceId: bytes(span, 1).toString('hex'),
    spanId: bytes(span, 2).toString('hex'),
    tracestate: bytes(span, 3).toString(),
    parentId: bytes(span, 4).toString('hex'),
    name: bytes(span, 5).toString(),
    kind: Number(integer(span, 6)),
    start: integer(span, 7),
    end: integer(span, 8),
    attributes: attributes(span, 9),
    events: list(span, 11).map((one) => {
      const event = read(one);
      return { at: integer(event, 1), name: bytes(event, 2).toString(), attributes: attributes(event, 3) };
    }),
    status: { code: Number(integer(status, 3)), message: bytes(status, 2).toString() },
    resource,
  };
}

function attributes(message: Message, field: number): Record<string, unknown> {
  return Object.fromEntries(
    list(message, field).map((one) => {
      const pair = read(one);
      return [bytes(pair, 1).toString(), anyValue(read(bytes(pair, 2)))];
    }),
  );
}

function anyValue(value: Message): unknown {
  if (value.has(1)) return bytes(value, 1).toString();
  if (value.has(2)) return integer(value, 2) === 1n;
  if (value.has(3)) return Number(BigInt.asIntN(64, integer(value, 3)));
  throw new Error(`an attribute without a value of a known kind: ${[...value.keys()]}`);
}

function read(buffer: Buffer): Message {
  const message: Message = new Map();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = buffer[at++];
      if (byte === undefined) throw new Error('a message ends within a number');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const fixed = (size: number): bigint => {
    at += size;
    return size === 8 ? buffer.readBigUInt64LE(at - 8) : BigInt(buffer.readUInt32LE(at - 4));
  };
  const chunk = (): Buffer => {
    const size = Number(varint());
    at += size;
    if (at > buffer.length) throw new Error('a message ends within a field');
    return buffer.subarray(at - size, at);
  };
  while (at < buffer.length) {
    const tag = Number(varint());
    const type = tag & 7;
    const value = type === 0 ? varint() : type === 1 ? fixed(8) : type === 5 ? fixed(4) : chunk();
    message.set(tag >> 3, [...(message.get(tag >> 3) ?? []), value]);
  }
  return message;
}

function list(message: Message, field: number): Buffer[] {
  return (message.get(field) ?? []) as Buffer[];
}

function bytes(message: Message, field: number): Buffer {
  return (message.get(field)?.[0] as Buffer | undefined) ?? Buffer.alloc(0);
}

function integer(message: Message, field: number): bigint {
  return (message.get(field)?.[0] as bigint | undefined) ?? 0n;
}
