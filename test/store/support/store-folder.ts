import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LmdbStore } from '../../../src/store/lmdb-store.js';
import { type OpenOptions, openLmdbStore } from '../../../src/store/open-lmdb-store.js';
import { threadFile } from '../../../src/worker/thread-file.js';

export const CHECK_PROGRAM = threadFile('store/check-program');

/** A folder for one store, and what was said while it was opened. Goes when it is disposed of, with the stores that are still open. */
export class StoreFolder implements AsyncDisposable {
  readonly path = mkdtempSync(join(tmpdir(), 'iluvatar-test-store-'));
  readonly lines: string[] = [];
  readonly #open = new Set<LmdbStore>();

  async open(options: Partial<OpenOptions> = {}): Promise<LmdbStore> {
    const say = (_fields: Record<string, unknown>, line: string): void => void this.lines.push(line);
    const store = await openLmdbStore({
      folder: this.path,
      maxBytes: 1 << 30,
      lazyMs: 50,
      program: CHECK_PROGRAM,
      log: { info: say, warn: say },
      ...options,
    });
    this.#open.add(store);
    return store;
  }

  async close(store: LmdbStore): Promise<void> {
    this.#open.delete(store);
    await store.close();
  }

  /** The only data file that counts. */
  get file(): string {
    const names = readdirSync(this.path).filter((name) => /^data-\d+\.mdb$/.test(name));
    if (names.length !== 1) throw new Error(`there are ${names.length} data files: ${names.join(', ')}`);
    return join(this.path, names[0] as string);
  }

  get aside(): string[] {
    return readdirSync(this.path).filter((name) => name.startsWith('damaged-'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.#open) await store.close();
    rmSync(this.path, { recursive: true, force: true });
  }
}
