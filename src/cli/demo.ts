import { join } from 'node:path';
import type { InvokeResult } from '../config/api.js';
import { loadConfig } from '../config/load.js';
import { IluvatarError } from '../core/errors.js';
import { PACKAGE_ROOT } from '../package-files.js';
import { Worker } from '../worker/worker.js';
import { type DemoBackend, type DemoEngine, demoEngine } from './demo-engine.js';
import { findSamples } from './demo-samples.js';

/**
 * What `npm start` shows: a worker, on any backend, the sample functions registered straight from `functions/`, one of them cold and then warm, and how to do the
 * same from a shell. Of the worker it uses the public library only.
 */

export interface DemoOptions {
  /** End after the two invocations. */
  once: boolean;
  /** Also register the functions whose dependencies are downloaded. */
  all: boolean;
  /** HTTP port; 0 = any free one. */
  port: number;
  /** Where the worker keeps its state; empty = its usual place. */
  dataDir: string;
  /** What runs the samples. */
  backend: DemoBackend;
  /** Brings the programs of that backend, where none answers. Rejects with an Error that says what to install. */
  install(): Promise<void>;
}

/** Runs the demonstration and resolves with the exit code. */
export async function demo(options: DemoOptions): Promise<number> {
  const stop = new StopSignal();
  let engine: DemoEngine;
  try {
    const { config } = loadConfig({ environment: process.env });
    engine = await demoEngine(options.backend, config.backends, options.install);
  } catch (error) {
    return failed('the demonstration did not start', error);
  }
  // However the process ends, short of SIGKILL: a daemon of its own must not stay.
  process.once('exit', engine.closeAtOnce);
  try {
    return await withWorker(engine, options, stop);
  } finally {
    await engine.close();
    process.off('exit', engine.closeAtOnce);
  }
}

async function withWorker(engine: DemoEngine, options: DemoOptions, stop: StopSignal): Promise<number> {
  const { once, port, dataDir, backend } = options;
  let worker: Worker;
  try {
    // Two demonstrations on two ports are two workers: each with its own name, state and socket.
    const name = port === 8080 ? 'demo' : `demo-${port}`;
    const { backends } = engine;
    worker = await Worker.start({ name, dataDir, http: { port }, backends, defaultBackends: [backend] });
  } catch (error) {
    return failed('the worker did not start', error);
  }
  try {
    print(`worker "${worker.config.name}" is up: ${worker.httpUrl ?? 'no HTTP'} and ${worker.socketPath}`);
    print(`containers: ${engine.description}`);
    const shown = show(worker, options);
    // What is under way when it is interrupted fails with the worker: that is no news.
    shown.catch(() => {});
    await Promise.race([shown, stop.asked]);
    if (!once && !stop.was) {
      print('\nCtrl-C ends it.');
      await stop.asked;
    }
    if (stop.was) print('\nstopping …');
    return 0;
  } catch (error) {
    return failed('the demonstration failed', error);
  } finally {
    await worker.stop();
  }
}

async function show(worker: Worker, { all }: DemoOptions): Promise<void> {
  await registerSamples(worker, all);
  print('');
  const cold = await worker.invoke('hello', { name: 'world' });
  const warm = await worker.invoke('hello', { name: 'world' });
  printResult('first ', cold);
  printResult('second', warm);
  const { notes, backends } = await worker.health();
  const missing = [...new Set([...notes, ...backends.flatMap((backend) => backend.notes)])];
  print(`\n${missing.length === 0 ? 'all protections are in force' : `missing here: ${missing.join('; ')}`}`);
  printCommands(worker);
}

async function registerSamples(worker: Worker, all: boolean): Promise<void> {
  const samples = findSamples();
  const wanted = samples.filter((sample) => all || sample.downloads.length === 0);
  for (const { definition, downloads } of wanted) {
    const progress = downloads.length > 0 ? (line: string) => print(`  ${definition.name}: ${line}`) : () => {};
    const { runtime } = await worker.register(definition, { replace: true, progress });
    print(`registered ${definition.name} (${runtime})`);
  }
  const left = samples.filter((sample) => !wanted.includes(sample));
  if (left.length > 0) {
    const names = left.map((sample) => `${sample.definition.name} (${sample.downloads.join(', ')})`);
    print(`not registered without --all, since their packages are downloaded: ${names.join('; ')}`);
  }
}

function printResult(label: string, { result, containerState, phases }: InvokeResult): void {
  const time = (us: number): string => `${(us / 1000).toFixed(3)} ms`;
  print(`${label} (${containerState}): ${JSON.stringify(result)}`);
  print(`        queued ${time(phases.queueUs)}, start ${time(phases.startUs)}, run ${time(phases.runUs)}`);
}

function printCommands(worker: Worker): void {
  print('\nThe same from a shell:');
  if (worker.httpUrl !== null) {
    print(
      `  curl -i ${worker.httpUrl}/functions/hello/1/invoke -H 'content-type: application/json' -d '{"name":"world"}'`,
    );
  }
  print(`  node ${join(PACKAGE_ROOT, 'bin/iluvatar.js')} --socket ${worker.socketPath} invoke hello -a name=world`);
}

/** npm hands Ctrl-C on to what it runs, which the terminal has told already: two within this time are one; ms. */
const SAME_MS = 500;

/** Ctrl-C or SIGTERM: the first asks for an end, another one ends the process at once. */
class StopSignal {
  readonly asked: Promise<void>;
  #at = 0;

  constructor() {
    this.asked = new Promise((resolve) => {
      const handle = (signal: NodeJS.Signals): void => {
        if (this.was && Date.now() - this.#at < SAME_MS) return;
        if (this.was) process.exit(signal === 'SIGINT' ? 130 : 143);
        this.#at = Date.now();
        resolve();
      };
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, handle);
    });
  }

  get was(): boolean {
    return this.#at !== 0;
  }
}

/** People get the message; the stack is in the worker's log. */
function failed(what: string, error: unknown): number {
  const reason = error instanceof Error ? error.message : String(error);
  const errorClass = error instanceof IluvatarError ? ` (${error.errorClass})` : '';
  process.stderr.write(`${what}: ${reason}${errorClass}\n`);
  return 1;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
