import fc from 'fast-check';
import { expect, it } from 'vitest';
import { InvokeRequest, InvokeResponse } from '../../../src/rpc/gen/iluvatar_rpc.js';
import { readInvokeRequest, writeInvokeResponse } from '../../../src/server/grpc/methods/invoke-messages.js';

/** The codecs of the hot path say what the generated ones say. */

const text = fc.string({ unit: 'grapheme', maxLength: 200 });
const whole = fc.oneof(fc.nat(300), fc.nat({ max: Number.MAX_SAFE_INTEGER }));

it('reads what the generated codec writes', () => {
  const any = fc.record({
    functionName: text,
    functionVersion: text,
    jsonArgs: text,
    transactionId: text,
    details: fc.boolean(),
  });
  fc.assert(
    fc.property(any, (request) => {
      const view = readInvokeRequest(InvokeRequest.encode(request).finish());
      expect({ ...view, args: Buffer.from(view.args).toString() }).toEqual({
        name: request.functionName,
        version: request.functionVersion,
        args: request.jsonArgs,
        tid: request.transactionId,
        details: request.details,
      });
    }),
  );
});

it('skips fields that it does not know', () => {
  const known = InvokeRequest.encode(InvokeRequest.decode(new Uint8Array())).finish();
  const unknown = Buffer.from([0x28, 0x07, 0x3a, 0x02, 0x41, 0x42, 0x45, 0, 0, 0, 0, 0x12, 0x01, 0x39]);
  expect(readInvokeRequest(Buffer.concat([known, unknown]))).toMatchObject({ version: '9', name: '' });
});

it.each([
  ['a length beyond the end', [0x0a, 0x05, 0x41]],
  ['an endless number', [0xa0, 0x06, ...Array(11).fill(0xff)]],
  ['a field of number 0', [0x02, 0x00]],
  ['a wire type that there is not', [0x0f]],
])('refuses %s', (_what, bytes) => {
  expect(() => readInvokeRequest(Buffer.from(bytes))).toThrow();
});

it('writes what the generated codec reads, and byte for byte what it writes', () => {
  const any = fc.record({
    jsonResult: text,
    success: fc.boolean(),
    durationUs: whole,
    compute: fc.nat(3),
    containerState: fc.nat(4),
  });
  fc.assert(
    fc.property(any, fc.boolean(), (answer, withDetails) => {
      const details = { ...InvokeResponse.decode(new Uint8Array()), worker: 'w', attempts: 2, queueUs: 300 };
      const frame = writeInvokeResponse(
        { ...answer, jsonResult: Buffer.from(answer.jsonResult) },
        withDetails ? InvokeResponse.encode(details).finish() : null,
      );
      expect(frame[0]).toBe(0);
      expect(frame.readUInt32BE(1)).toBe(frame.length - 5);
      const expected = { ...(withDetails ? details : InvokeResponse.decode(new Uint8Array())), ...answer };
      expect(frame.subarray(5).toString('hex')).toBe(
        Buffer.from(InvokeResponse.encode(expected as InvokeResponse).finish()).toString('hex'),
      );
    }),
  );
});

it('replaces what is no UTF-8', () => {
  const frame = writeInvokeResponse(
    { jsonResult: Buffer.from([0x22, 0xff, 0x22]), success: true, durationUs: 0, compute: 0, containerState: 0 },
    null,
  );
  expect(InvokeResponse.decode(frame.subarray(5)).jsonResult).toBe('"\ufffd"');
});
