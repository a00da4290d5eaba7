import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { decodeRecord, encodeRecord, isIntact, keyText, recordKey } from '../../src/store/record.js';

const bytes = fc.uint8Array({ maxLength: 3000 });
const leaf = fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer(), fc.double({ noNaN: true }), fc.boolean(), bytes);
// msgpackr reads a key `__proto__` as another one, so that what it makes keeps its prototype.
const name = fc.string().filter((text) => text !== '__proto__');
const value = fc.oneof(leaf, fc.constant(null), fc.array(leaf), fc.dictionary(name, leaf));
const keys = fc.string({ unit: 'grapheme', maxLength: 40 });

/** Bytes of whatever class as plain arrays, to be compared. */
function plain(given: unknown): unknown {
  if (given instanceof Uint8Array) return ['bytes', ...given];
  if (Array.isArray(given)) return given.map(plain);
  if (given === null || typeof given !== 'object') return Object.is(given, -0) ? 0 : given;
  return Object.fromEntries(Object.entries(given).map(([key, one]) => [key, plain(one)]));
}

describe('a record', () => {
  it('is a checksum over key and value, and the value in MessagePack: as every worker before wrote it', () => {
    const packr = new Packr({ useRecords: false });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), keys, value, (table, text, given) => {
        const key = Buffer.concat([Buffer.of(table), Buffer.from(text)]);
        expect(recordKey(table, text).equals(key)).toBe(true);
        expect(keyText(key)).toBe(Buffer.from(text).toString());
        const body = packr.pack(given);
        const checksum = Buffer.alloc(4);
        checksum.writeUInt32LE(crc32(Buffer.concat([key, body])));
        expect(encodeRecord(key, given).equals(Buffer.concat([checksum, body]))).toBe(true);
      }),
    );
  });

  it('gives its value back, and shares no byte with the next one', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 2, maxLength: 20 }), (values) => {
        const rows = values.map((given, i) => {
          const key = recordKey(5, `key ${i}`);
          return { key, given, record: encodeRecord(key, given) };
        });
        for (const { key, given, record } of rows) {
          expect(isIntact(key, record)).toBe(true);
          expect(plain(decodeRecord(key, record))).toEqual(plain(given));
        }
      }),
    );
  });

  it('that is large leaves those after it in small blocks', () => {
    const key = recordKey(4, 'k');
    const large = new Uint8Array(5_000_000).fill(7);
    expect(plain(decodeRecord(key, encodeRecord(key, { large })))).toEqual(plain({ large }));
    expect(encodeRecord(key, { small: true }).buffer.byteLength).toBeLessThan(200_000);
  });

  it('is not intact under another key or with another byte', () => {
    const key = recordKey(4, 'k');
    const record = encodeRecord(key, { n: 1 });
    expect(isIntact(recordKey(4, 'l'), record)).toBe(false);
    record[record.length - 1] = 2;
    expect(isIntact(key, record)).toBe(false);
    expect(() => decodeRecord(key, record)).toThrow('is not as it was written');
  });
});
