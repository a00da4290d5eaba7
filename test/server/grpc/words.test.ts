import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ERROR_CLASSES, type ErrorClass, IluvatarError } from '../../../src/core/errors.js';
import { acceptsGzip, isGrpc, isGzip, metadataText, timeoutOf } from '../../../src/server/grpc/request-headers.js';
import { CODE_OF_CLASS, encodeMessage, failureOf, GrpcCode } from '../../../src/server/grpc/status.js';

it.each([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['20S', 20_000],
  ['150m', 150],
  ['1500u', 1.5],
  ['99999999n', 99.999999],
  ['0m', 0.001],
  ['99999999H', 2_147_483_647],
])('reads the time-out %s as %d ms', (text, ms) => {
  expect(timeoutOf({ 'grpc-timeout': text })).toBeCloseTo(ms, 5);
});

it.each(['', '5', 'S', '1s', '-1S', '1.5S', '123456789S', '1 S'])('refuses the time-out "%s"', (text) => {
  expect(() => timeoutOf({ 'grpc-timeout': text })).toThrow(
    expect.objectContaining({ code: GrpcCode.invalidArgument }),
  );
});

it.each([
  ['application/grpc', true],
  ['application/grpc+proto', true],
  ['application/grpc;charset=utf-8', true],
  ['application/grpc+json', false],
  ['application/grpc-web', false],
  ['application/json', false],
  [undefined, false],
])('takes %s for gRPC: %s', (type, expected) => {
  expect(isGrpc(type)).toBe(expected);
});

it('knows encodings, and says those that there are', () => {
  expect(isGzip({})).toBe(false);
  expect(isGzip({ 'grpc-encoding': 'identity' })).toBe(false);
  expect(isGzip({ 'grpc-encoding': 'gzip' })).toBe(true);
  expect(() => isGzip({ 'grpc-encoding': 'br' })).toThrow(
    expect.objectContaining({
      code: GrpcCode.unimplemented,
      trailers: { 'grpc-accept-encoding': 'identity,gzip' },
    }),
  );
  expect(acceptsGzip({ 'grpc-accept-encoding': 'identity, deflate,gzip' })).toBe(true);
  expect(acceptsGzip({ 'grpc-accept-encoding': 'gzip2' })).toBe(false);
});

it('reads metadata', () => {
  expect(metadataText({ 'x-a': '1' }, 'x-a')).toBe('1');
  expect(metadataText({}, 'x-a')).toBe('');
  expect(metadataText({ 'set-cookie': ['a', 'b'] }, 'set-cookie')).toBe('a, b');
});

it('encodes messages so that they decode to the same, in printable ASCII', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 100 }), (text) => {
      const encoded = encodeMessage(text);
      expect(encoded).toMatch(/^[\x20-\x7e]*$/);
      expect(decodeURIComponent(encoded.replace(/%(?![0-9A-F]{2})/g, '%25'))).toBe(text);
    }),
  );
  expect(encodeMessage('50 % of ü\n')).toBe('50 %25 of %C3%BC%0A');
});

it('cuts long messages between two characters', () => {
  for (const pad of ['', 'a', 'aa', 'aaa']) {
    const encoded = encodeMessage(`${pad}${'𝄞'.repeat(5000)}`);
    expect(encoded.length).toBeLessThan(2100);
    expect(() => decodeURIComponent(encoded)).not.toThrow();
    expect(encoded).toMatch(/\.\.\.$/);
  }
});

it('has a code for each class, and none is OK', () => {
  for (const name of ERROR_CLASSES.filter((one) => one !== 'ok')) {
    expect(CODE_OF_CLASS[name as ErrorClass]).toBeGreaterThan(0);
  }
});

it('tells class and details in trailers, and when to try again', () => {
  const failure = failureOf(new IluvatarError('overloaded', 'full', { retryAfterMs: 12.3 }));
  expect(failure).toMatchObject({
    code: GrpcCode.resourceExhausted,
    trailers: { 'iluvatar-error-class': 'overloaded', 'grpc-retry-pushback-ms': '13' },
  });
  const details = failure.trailers['iluvatar-error-details-bin'] as string;
  expect(JSON.parse(Buffer.from(details, 'base64').toString())).toEqual({ retryAfterMs: 12.3 });
});

it('leaves out of the details what is too long for a header', () => {
  const long = 'x'.repeat(100_000);
  const failure = failureOf(new IluvatarError('crashed', 'gone', { stderr: long, evidence: { signal: 'SIGSEGV' } }));
  const details = failure.trailers['iluvatar-error-details-bin'] as string;
  expect(JSON.parse(Buffer.from(details, 'base64').toString())).toEqual({ evidence: { signal: 'SIGSEGV' } });
  const endless = failureOf(new IluvatarError('crashed', 'gone', { evidence: { long } }));
  expect(Buffer.from(endless.trailers['iluvatar-error-details-bin'] as string, 'base64').toString()).toBe('{}');
});

it('says nothing of a defect but that it is one', () => {
  const failure = failureOf(new TypeError('secret'));
  expect(failure.code).toBe(GrpcCode.internal);
  expect(failure.message).not.toContain('secret');
});
