import { crc32 } from 'node:zlib';
import { Packr, RESERVE_START_SPACE } from 'msgpackr';
import type { TableName } from './store.js';

/**
 * How an entry lies in the file: its key is the number of its table and the key itself, its value a checksum over both and the value in MessagePack. The checksum
 * covers the key, so that a page that was damaged into another one does not pass as right under a wrong name.
 */

/** Part of the schema: a number is given once and never again (3 was). 0 is the state of the store itself. */
export const TABLE_NUMBERS: Readonly<Record<TableName, number>> = {
  functions: 1,
  characteristics: 2,
  invocations: 4,
  results: 5,
  idempotency: 6,
  schedules: 7,
  deadLetters: 8,
  webhooks: 9,
};

/** UTF-8 bytes; LMDB would take more, but a page must hold several. */
export const KEY_MAX_BYTES = 500;

const CRC_BYTES = 4;
const packr = new Packr({ useRecords: false, copyBuffers: true });
/** Records lie one after the other in blocks of so many bytes: an allocation, and a look-up of its address by LMDB, for many of them instead of each. */
const BLOCK_BYTES = 64 * 1024;
packr.useBuffer(Buffer.allocUnsafeSlow(BLOCK_BYTES));

/** Throws a RangeError for a key that is too long: it is its caller's mistake. */
export function recordKey(table: number, key: string): Buffer {
  const length = Buffer.byteLength(key);
  if (length > KEY_MAX_BYTES) throw new RangeError(`a key of ${length} bytes; ${KEY_MAX_BYTES} at most`);
  const bytes = Buffer.allocUnsafe(1 + length);
  bytes[0] = table;
  bytes.write(key, 1);
  return bytes;
}

export function keyText(key: Buffer): string {
  return key.toString('utf8', 1);
}

export function encodeRecord(key: Buffer, value: unknown): Buffer {
  const record = packr.pack(value, RESERVE_START_SPACE | CRC_BYTES);
  record.writeUInt32LE(checksum(key, record.subarray(CRC_BYTES)));
  // It grows with a large value, and would keep that size.
  if (record.buffer.byteLength > BLOCK_BYTES) packr.useBuffer(Buffer.allocUnsafeSlow(BLOCK_BYTES));
  return record;
}

/** Throws a DamagedRecord when it is not as it was written. */
export function decodeRecord<Value>(key: Buffer, record: Buffer): Value {
  if (!isIntact(key, record)) throw new DamagedRecord(key);
  return packr.unpack(record.subarray(CRC_BYTES)) as Value;
}

export function isIntact(key: Buffer, record: Buffer): boolean {
  return record.length > CRC_BYTES && storedChecksum(record) === checksum(key, record.subarray(CRC_BYTES));
}

export function storedChecksum(record: Buffer): number {
  return record.readUInt32LE();
}

function checksum(key: Buffer, body: Buffer): number {
  return crc32(body, crc32(key));
}

export class DamagedRecord extends Error {
  constructor(key: Buffer) {
    super(`the entry "${keyText(key)}" of table ${key[0] ?? -1} is not as it was written`);
  }
}
