import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { accessSync, chmodSync, constants, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { failpoint } from '../failpoints.js';
import type { CheckRequest, CheckResult } from './check.js';
import { type DataFile, makeDataFile, openDataFile, removeDataFile, syncFolder } from './data-file.js';
import { LmdbStore } from './lmdb-store.js';
import { MIGRATIONS, type Migration, migrationsFrom, schemaVersion } from './schema.js';
import { decodeState, encodeState, STATE_KEY, type StoreState } from './state.js';
import { storeError } from './trouble.js';
import { digestOf, readMark, Watermark } from './watermark.js';

/**
 * Opens a worker's store whatever it finds: none, one that was closed, one whose worker was killed, or one that is damaged. Only a file that is byte for byte as it was closed is opened
 * as it is; any other is read by a process of its own and copied into a new one (`check.ts`), which is then opened. What cannot be read is set aside, with a line in the log.
 */

export interface OpenOptions {
  /** Of the store alone. */
  readonly folder: string;
  readonly maxBytes: number;
  readonly lazyMs: number;
  /** How to run `check-program`: from built files or from TypeScript. */
  readonly program: { readonly filename: string; readonly execArgv: readonly string[] };
  readonly log: StoreLog;
  readonly migrations?: readonly Migration[];
}

export interface StoreLog {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
}

/** A damaged file can make LMDB run in circles. */
const CHECK_LEAST_MS = 120_000;
const CHECK_BYTES_PER_MS = 5_000;

/** Nobody else may have it open. Rejects with an IluvatarError (`unavailable`) that names the cause: a full or read-only disk, a wrong owner, a newer schema. */
export async function openLmdbStore(options: OpenOptions): Promise<LmdbStore> {
  try {
    return await new Opening(options).open();
  } catch (error) {
    throw storeError(error, options.folder);
  }
}

class Opening {
  readonly #options: OpenOptions;
  readonly #markPath: string;

  constructor(options: OpenOptions) {
    this.#options = options;
    this.#markPath = join(options.folder, 'mark');
  }

  async open(): Promise<LmdbStore> {
    const { folder, log, migrations = MIGRATIONS } = this.#options;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    chmodSync(folder, 0o700);
    const path = await this.#goodFile();
    const store = this.#openGood(path);
    try {
      for (const migration of migrationsFrom(store.schema, migrations)) {
        migration.apply(store.store);
        store.store.migrated(migration.version);
        await store.store.durable();
        log.info({ schema: migration.version, title: migration.title }, 'the store was brought to a newer schema');
      }
    } catch (error) {
      await store.store.close();
      throw error;
    }
    failpoint('store.open');
    return store.store;
  }

  /** Path of a file that may be opened in this process. */
  async #goodFile(): Promise<string> {
    const generation = this.#tidy();
    const mark = readMark(this.#markPath);
    if (generation === 0) {
      if (mark !== null && mark.sequence > 0)
        this.#options.log.warn({ folder: this.#options.folder }, 'the store’s file is gone; a new one is begun');
      return this.#makeNew(1);
    }
    const path = this.#path(generation);
    if (mark?.digest != null && mark.digest === (await digestOf(path))) return path;
    const result = await this.#check(path, this.#path(generation + 1), mark?.sequence ?? 0);
    if ('state' in result) {
      failpoint('store.checked');
      removeDataFile(path);
      return this.#path(generation + 1);
    }
    removeDataFile(this.#path(generation + 1));
    if ('error' in result) throw Object.assign(new Error(result.message), { code: result.error });
    this.#setAside(path, result.damage);
    return this.#makeNew(generation + 1);
  }

  /** Of files that were replaced but not yet removed the latest counts. 0 = there is none. */
  #tidy(): number {
    const { folder } = this.#options;
    const names = readdirSync(folder);
    const generations = names.map((name) => Number(/^data-(\d+)\.mdb$/.exec(name)?.[1] ?? 0));
    const latest = Math.max(0, ...generations);
    // The locks of LMDB are those of processes that are gone.
    const kept = [`data-${latest}.mdb`, 'mark'];
    for (const name of names) {
      if (/^data-\d+\.mdb/.test(name) && !kept.includes(name)) rmSync(join(folder, name), { force: true });
    }
    return latest;
  }

  async #makeNew(generation: number): Promise<string> {
    const path = this.#path(generation);
    const { maxBytes, migrations } = this.#options;
    const state: StoreState = {
      sequence: 1,
      schema: schemaVersion(migrations),
      identity: randomUUID(),
      counts: {},
      sum: 0,
    };
    // First, so that the mark of what was set aside is not held against it.
    rmSync(this.#markPath, { force: true });
    await makeDataFile(path, maxBytes, [[STATE_KEY, encodeState(state)]]);
    failpoint('store.made');
    return path;
  }

  #openGood(path: string): { store: LmdbStore; schema: number } {
    const { folder, maxBytes, lazyMs } = this.#options;
    const file: DataFile = openDataFile(path, { maxBytes });
    try {
      const state = decodeState(file.get(STATE_KEY) as Buffer);
      // Before anything is changed, the mark included.
      migrationsFrom(state.schema, this.#options.migrations);
      const watermark = new Watermark(this.#markPath, state.sequence);
      const store = new LmdbStore({ file, path, folder, state, watermark, lazyMs });
      return { store, schema: state.schema };
    } catch (error) {
      void file.close();
      throw error;
    }
  }

  async #check(source: string, target: string, sequence: number): Promise<CheckResult> {
    const { program, maxBytes } = this.#options;
    const request: CheckRequest = { source, target, sequence, maxBytes };
    const timeout = CHECK_LEAST_MS + Math.ceil(statSync(source).size / CHECK_BYTES_PER_MS);
    const args = [...program.execArgv, program.filename, JSON.stringify(request)];
    try {
      const { stdout } = await promisify(execFile)(process.execPath, args, { timeout, killSignal: 'SIGKILL' });
      return JSON.parse(stdout) as CheckResult;
    } catch (error) {
      const { signal, killed, code, message } = error as Error & { signal?: string; killed?: boolean; code?: unknown };
      if (killed === true) return { damage: `reading it took more than ${Math.round(timeout / 1000)} s` };
      if (signal != null) return { damage: `reading it ended with ${signal}` };
      return { error: String(code), message: `the store could not be checked: ${message}` };
    }
  }

  #setAside(path: string, damage: string): void {
    const { folder, log } = this.#options;
    const date = new Date().toISOString().replaceAll(':', '-').slice(0, 19);
    const aside = join(folder, `damaged-${date}-${path.slice(folder.length + 1)}`);
    renameSync(path, aside);
    removeDataFile(path);
    syncFolder(folder);
    log.warn({ damage, aside }, 'the store is damaged; it was set aside, and a new one is begun');
  }

  #path(generation: number): string {
    return join(this.#options.folder, `data-${generation}.mdb`);
  }
}
