import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type {
  Backend,
  BackendContainer,
  ContainerEvents,
  PreparedFunction,
  RunResult,
} from '../../../src/backends/backend.js';
import { ProcessBackend } from '../../../src/backends/process/backend.js';
import type { Networks } from '../../../src/backends/process/networks.js';
import { type FunctionDefinitionInput, functionDefinitionSchema } from '../../../src/config/api.js';
import { type WorkerConfig, type WorkerConfigInput, workerConfigSchema } from '../../../src/config/schema.js';
import type { FunctionSpec } from '../../../src/core/function.js';
import type { ContainerFailure } from '../../../src/core/ports.js';
import { Transport } from '../../../src/transport/transport.js';
import { LifecyclePool } from '../../../src/worker/lifecycle/pool.js';
import { temporaryFolder } from './temporary.js';

/** Everything a backend stands on, made for one test file and taken down with it. */
export interface Harness {
  readonly backend: Backend;
  readonly transport: Transport;
  readonly config: WorkerConfig;
  readonly lines: string[];
  close(): Promise<void>;
}

let instances = 0;

export async function startProcessBackend(
  input: WorkerConfigInput = {},
  options: { threads?: boolean; networks?: Networks } = {},
): Promise<Harness & { backend: ProcessBackend }> {
  const name = input.name ?? `test-${process.pid}-${++instances}`;
  const config = workerConfigSchema.parse({ name, ...input, dataDir: input.dataDir ?? temporaryFolder() });
  const lines: string[] = [];
  const write = (level: string) => (fields: Record<string, unknown>, message: string) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
    if (process.env['BACKEND_TEST_LOG'] !== undefined) console.log(lines.at(-1));
  };
  const log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  const transport = new Transport({
    maxBodyBytes: config.transport.maxBodyBytes,
    spinUs: 0,
    highWaterBytes: config.transport.highWaterBytes,
    hello: JSON.stringify({ role: 'worker', name }),
  });
  const lifecycle = new LifecyclePool({ threads: options.threads ?? false, size: config.lifecycleThreads });
  const backend = new ProcessBackend({ config, transport, lifecycle, log, networks: options.networks ?? null });
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await backend.stop();
    await lifecycle.close();
    transport.destroy();
  };
  try {
    await backend.start();
  } catch (error) {
    await close();
    throw error;
  }
  return { backend, transport, config, lines, close };
}

export function specOf(definition: FunctionDefinitionInput): FunctionSpec {
  const full = functionDefinitionSchema.parse(definition);
  return { ...full, cpus: full.cpus };
}

/** Registers. */
export async function prepare(
  backend: Backend,
  definition: FunctionDefinitionInput,
  progress: (line: string) => void = () => {},
): Promise<PreparedFunction> {
  const full = functionDefinitionSchema.parse(definition);
  return backend.prepare(full, specOf(definition), progress);
}

interface Answer extends Omit<RunResult, 'payload'> {
  /** Parsed, undefined = none. */
  readonly result: unknown;
}

/** A container whose events are promises. */
export class TestContainer implements ContainerEvents {
  readonly handle: BackendContainer;
  readonly output_: { stdout: string; stderr: string } = { stdout: '', stderr: '' };
  readonly #transport: Transport;
  readonly #started: Promise<void>;
  readonly exitedWith: Promise<ContainerFailure>;
  readonly #answers = new Map<number, (answer: Answer) => void>();
  #ready: () => void = () => {};
  #failed: (failure: ContainerFailure) => void = () => {};
  #exited: (failure: ContainerFailure) => void = () => {};
  #next = 1;

  constructor(backend: Backend, transport: Transport, prepared: PreparedFunction) {
    this.#transport = transport;
    this.#started = new Promise((resolve, reject) => {
      this.#ready = resolve;
      this.#failed = (failure) => reject(Object.assign(new Error(failure.message), failure));
    });
    this.#started.catch(() => {});
    this.exitedWith = new Promise((resolve) => {
      this.#exited = resolve;
    });
    this.handle = backend.create(prepared, {}, this.#next, this);
  }

  /** Rejects with the failure's fields. */
  started(): Promise<void> {
    return this.#started;
  }

  invoke(args: unknown, timeoutMs = 10_000): Promise<Answer> {
    return this.invokeRaw(JSON.stringify(args), timeoutMs).answer;
  }

  invokeRaw(payload: Uint8Array | string | null, timeoutMs = 10_000): { requestId: number; answer: Promise<Answer> } {
    const requestId = this.#next++;
    const answer = new Promise<Answer>((resolve) => this.#answers.set(requestId, resolve));
    this.handle.run({ requestId, tid: 't', timeoutMs, payload });
    return { requestId, answer };
  }

  async destroy(): Promise<void> {
    await this.handle.destroy('evicted');
  }

  ready(): void {
    this.#ready();
  }

  failed(failure: ContainerFailure): void {
    this.#failed(failure);
  }

  completed(result: RunResult): void {
    const { payload, ...rest } = result;
    let body: Buffer | Uint8Array | null = null;
    if (typeof payload === 'number') {
      body = this.#transport.body(payload);
      this.#transport.drop(payload);
    } else body = payload;
    const answer = this.#answers.get(result.requestId);
    this.#answers.delete(result.requestId);
    answer?.({
      ...rest,
      result: body === null || body.length === 0 ? undefined : JSON.parse(Buffer.from(body).toString('utf8')),
    });
  }

  exited(failure: ContainerFailure): void {
    this.#exited(failure);
    for (const [requestId, answer] of this.#answers) {
      const { errorClass, message, details } = failure;
      answer({ requestId, errorClass, message, details, runUs: 0, result: undefined });
    }
    this.#answers.clear();
  }

  output(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    this.output_[stream] += chunk.toString('utf8');
  }
}

/** Cgroup folders of this worker, in every hierarchy. */
export function cgroupsOf(worker: string): string[] {
  const found: string[] = [];
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [before, after] = line.split(' - ');
    if (after === undefined || !after.startsWith('cgroup')) continue;
    const folder = join(before?.split(' ')[4] ?? '', 'iluvatar', worker);
    try {
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        if (entry.isDirectory()) found.push(join(folder, entry.name));
      }
    } catch {
      // This hierarchy has none.
    }
  }
  return found;
}

/** Processes whose command line or environment names this text. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text) ||
          readFileSync(`/proc/${pid}/environ`, 'utf8').includes(text)
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

export async function until(condition: () => boolean, limitMs = 10_000): Promise<void> {
  const end = Date.now() + limitMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${limitMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
