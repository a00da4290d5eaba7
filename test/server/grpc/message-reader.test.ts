import fc from 'fast-check';
import { expect, it } from 'vitest';
import { frameOf, MessageReader } from '../../../src/server/grpc/message-reader.js';
import { GrpcCode, GrpcFailure } from '../../../src/server/grpc/status.js';

interface Read {
  bytes: string;
  compressed: boolean;
}

function reader(maxBytes = 1000): { read: MessageReader; messages: Read[] } {
  const messages: Read[] = [];
  const sink = {
    message: (bytes: Buffer, compressed: boolean) => void messages.push({ bytes: bytes.toString('hex'), compressed }),
  };
  return { read: new MessageReader(maxBytes, sink), messages };
}

const message = fc.record({ bytes: fc.uint8Array({ maxLength: 300 }), compressed: fc.boolean() });

it('finds the same messages however they are cut', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.nat(64), { maxLength: 60 }), (sent, cuts) => {
      const bytes = Buffer.concat(sent.map((one) => frameOf(one.bytes, one.compressed)));
      const { read, messages } = reader();
      let at = 0;
      for (const cut of cuts) {
        read.read(bytes.subarray(at, at + cut));
        at = Math.min(bytes.length, at + cut);
      }
      read.read(bytes.subarray(at));
      expect(messages).toEqual(
        sent.map((one) => ({ bytes: Buffer.from(one.bytes).toString('hex'), compressed: one.compressed })),
      );
      expect(read.inMessage).toBe(false);
    }),
  );
});

it('knows that it is in the middle of a message at every place but its ends', () => {
  const bytes = frameOf(Buffer.from('hello'));
  for (let at = 0; at <= bytes.length; at++) {
    const { read } = reader();
    read.read(bytes.subarray(0, at));
    expect(read.inMessage).toBe(at > 0 && at < bytes.length);
  }
});

function failure(read: () => void): GrpcFailure {
  try {
    read();
  } catch (error) {
    return error as GrpcFailure;
  }
  throw new Error('it was read');
}

it('refuses a message over the limit by its length alone', () => {
  const { read } = reader(10);
  read.read(frameOf(Buffer.alloc(10)));
  const error = failure(() => read.read(frameOf(Buffer.alloc(11)).subarray(0, 5)));
  expect(error).toBeInstanceOf(GrpcFailure);
  expect(error).toMatchObject({ code: GrpcCode.resourceExhausted, message: expect.stringContaining('11 bytes') });
});

it('refuses flags that nobody knows', () => {
  const bytes = frameOf(Buffer.from('x'));
  bytes[0] = 2;
  expect(failure(() => reader().read.read(bytes))).toMatchObject({ code: GrpcCode.internal });
});
