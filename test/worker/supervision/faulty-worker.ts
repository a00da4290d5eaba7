import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { WorkerConfigInput } from '../../../src/config/schema.js';
import { workerConfigSchema } from '../../../src/config/schema.js';
import { type Client, connect } from '../../../src/index.js';
import type { Log } from '../../../src/telemetry/logs/log.js';
import { Supervisor } from '../../../src/worker/supervisor.js';
import { testProgram } from '../../support/test-program.js';

const FAULTY = testProgram('worker/supervision/faulty-shard');

export const SLEEPER = 'import time\ndef main(args):\n    time.sleep(args.get("s", 0))\n    return "fine"\n';

let started = 0;

/** The supervisor of a real worker whose threads read from its data folder how to misbehave. */
export function faultySupervisor(config: WorkerConfigInput & { dataDir: string }, log: Log): Supervisor {
  // Read by the life-cycle threads, which have the environment of this process.
  process.env['ILUVATAR_TEST_FAULTS'] = config.dataDir;
  return new Supervisor({ config: workerConfigSchema.parse(config), log, task: FAULTY });
}

/** A real worker under its supervisor, whose threads can be told to misbehave. */
export class FaultyWorker implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-faults-'));
  readonly lines: Record<string, unknown>[] = [];
  readonly supervisor: Supervisor;

  private constructor(config: WorkerConfigInput) {
    mkdirSync(this.dataDir);
    mkdirSync(join(this.folder, 'source'));
    writeFileSync(join(this.folder, 'source', 'main.py'), SLEEPER);
    const log = pino(
      {},
      { write: (line: string) => void this.lines.push(JSON.parse(line) as Record<string, unknown>) },
    );
    const full = {
      name: `faults-${process.pid}-${started++}`,
      dataDir: this.dataDir,
      ...config,
      http: { port: 0, ...config.http },
      supervision: { health: { enabled: true, port: 0 }, ...config.supervision },
    };
    this.supervisor = faultySupervisor(full, log);
  }

  static async start(config: WorkerConfigInput = {}): Promise<FaultyWorker> {
    const worker = new FaultyWorker(config);
    try {
      await worker.supervisor.start();
    } catch (error) {
      await worker[Symbol.asyncDispose]();
      throw error;
    }
    return worker;
  }

  get dataDir(): string {
    return join(this.folder, 'data');
  }

  get socket(): string {
    return join(this.dataDir, 'worker.sock');
  }

  get source(): string {
    return join(this.folder, 'source');
  }

  connect(): Promise<Client> {
    return connect(this.socket);
  }

  shardFault(fault: 'throw' | 'reject' | 'exit' | 'hang' | 'leak'): void {
    writeFileSync(join(this.dataDir, 'shard-fault'), fault);
  }

  lifecycleFault(task: string, fault: 'throw' | 'exit' | 'abort' | 'hang' | 'never'): void {
    writeFileSync(join(this.dataDir, 'lifecycle-fault'), `${task} ${fault}`);
  }

  /** What the shard's thread has logged, line by line. */
  shardLog(): string[] {
    return readFileSync(join(this.dataDir, 'log', 'worker.log'), 'utf8').split('\n');
  }

  /** From the main thread. */
  async health(path = '/healthz'): Promise<{ status: number; body: Record<string, unknown> }> {
    const response = await fetch(`http://127.0.0.1:${this.supervisor.healthPort}${path}`);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  /** Over HTTP, at the shard. */
  invoke(name: string, args: unknown): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.supervisor.httpPort}/functions/${name}/invoke`, {
      method: 'POST',
      body: JSON.stringify(args),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.supervisor.stop(1000);
    rmSync(this.folder, { recursive: true, force: true });
    delete process.env['ILUVATAR_TEST_FAULTS'];
  }
}
