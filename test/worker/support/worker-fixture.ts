import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { IluvatarError, Worker, type WorkerConfigInput } from '../../../src/index.js';

/** A worker of the test's own: throw-away data folder, unique name, free port; everything goes when it is disposed of. */
export class WorkerFixture implements AsyncDisposable {
  readonly worker: Worker;
  readonly folder: string;

  private constructor(worker: Worker, folder: string) {
    this.worker = worker;
    this.folder = folder;
  }

  static #count = 0;

  static async start(config: WorkerConfigInput = {}): Promise<WorkerFixture> {
    const folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-worker-'));
    try {
      const worker = await Worker.start({
        name: `test-${process.pid}-${WorkerFixture.#count++}`,
        dataDir: join(folder, 'data'),
        threads: false,
        drainMs: 2000,
        ...config,
        http: { port: 0, ...config.http },
      });
      return new WorkerFixture(worker, folder);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Writes source files into a folder of their own and returns it. */
  source(name: string, files: Record<string, string>): string {
    const folder = join(this.folder, 'source', name);
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    }
    return folder;
  }

  /** Registers a Python function from its text. */
  async python(name: string, main: string, more: Record<string, unknown> = {}): Promise<void> {
    await this.worker.register({ name, source: this.source(name, { 'main.py': main }), ...more });
  }

  async node(name: string, index: string, more: Record<string, unknown> = {}): Promise<void> {
    await this.worker.register({ name, source: this.source(name, { 'index.mjs': index }), ...more });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.worker.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The IluvatarError that a promise rejects with; fails the test when it resolves or rejects with anything else. */
export async function rejection(promise: Promise<unknown>): Promise<IluvatarError> {
  let error: unknown;
  try {
    await promise;
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(IluvatarError);
  return error as IluvatarError;
}
