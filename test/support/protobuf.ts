/** The protobuf wire format by field numbers, for tests that speak with a daemon without generated code. */

export type Field = readonly [number: number, value: string | number | Uint8Array];
export type Message = Map<number, (Buffer | number)[]>;

/** Strings and bytes as length-delimited fields, numbers as varints; one pair for each element of a list. */
export function encode(fields: readonly Field[]): Buffer {
  const parts: Buffer[] = [];
  for (const [number, value] of fields) {
    if (typeof value === 'number') {
      parts.push(varint(number * 8), varint(value));
      continue;
    }
    const bytes = Buffer.from(value as string);
    parts.push(varint(number * 8 + 2), varint(bytes.length), bytes);
  }
  return Buffer.concat(parts);
}

export function decode(bytes: Buffer): Message {
  const message: Message = new Map();
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error('protobuf ends within a number');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = next();
    const values = message.get(tag >> 3) ?? [];
    message.set(tag >> 3, values);
    const size = next();
    if ((tag & 7) === 0) {
      values.push(size);
    } else if ((tag & 7) === 2) {
      values.push(bytes.subarray(at, at + size));
      at += size;
    } else {
      throw new Error(`protobuf wire type ${tag & 7}`);
    }
  }
  return message;
}

export function text(message: Message, field: number): string {
  return message.get(field)?.[0]?.toString() ?? '';
}

export function number(message: Message, field: number): number {
  return Number(message.get(field)?.[0] ?? 0);
}

export function nested(message: Message, field: number): Message {
  return decode((message.get(field)?.[0] as Buffer | undefined) ?? Buffer.alloc(0));
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}
