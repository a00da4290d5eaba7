import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

/** What the store is measured against: length, checksum, record, one after the other; all that wait share one write and one fdatasync. */
export class AppendOnlyFile {
  readonly #file: FileHandle;
  #records: Buffer[] = [];
  #waiting: (() => void)[] = [];
  #busy = false;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  append(record: Buffer): Promise<void> {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(record.length);
    head.writeUInt32LE(crc32(record), 4);
    this.#records.push(head, record);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (!this.#busy) void this.#run();
    });
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Throws for one that is not as it was written. */
  static records(bytes: Buffer): Buffer[] {
    const records: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const record = bytes.subarray(at + 8, at + 8 + bytes.readUInt32LE(at));
      if (crc32(record) !== bytes.readUInt32LE(at + 4)) throw new Error(`a damaged record at ${at}`);
      records.push(record);
      at += 8 + record.length;
    }
    return records;
  }

  async #run(): Promise<void> {
    this.#busy = true;
    await null;
    while (this.#records.length > 0) {
      const [records, waiting] = [this.#records, this.#waiting];
      this.#records = [];
      this.#waiting = [];
      await this.#file.write(Buffer.concat(records));
      await this.#file.datasync();
      for (const resolve of waiting) resolve();
    }
    this.#busy = false;
  }
}
