import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FunctionDefinitionInput, InvokeResult } from '../config/api.js';
import { IluvatarError } from '../core/errors.js';
import { Worker } from '../worker/worker.js';

/**
 * What `npm start` shows: a worker, the sample functions registered straight from `functions/`, one of them cold and then warm, and how to do the
 * same from a shell. It uses the public library only, so that it is also an example of it.
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
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Heavy libraries need more than the default; MiB. */
const MEMORY_MB: Readonly<Record<string, number>> = {
  image_processing: 256,
  lin_pack: 256,
  model_training: 512,
  video_processing: 512,
};

interface Sample {
  definition: FunctionDefinitionInput;
  /** Packages that have to be downloaded at registration. */
  downloads: string[];
}

/** Runs the demonstration and resolves with the exit code. */
export async function demo({ once, all, port, dataDir }: DemoOptions): Promise<number> {
  let worker: Worker;
  try {
    // Two demonstrations on two ports are two workers: each with its own name, state and socket.
    worker = await Worker.start({ name: port === 8080 ? 'demo' : `demo-${port}`, dataDir, http: { port } });
  } catch (error) {
    return failed('the worker did not start', error);
  }
  const interrupted = onInterrupt();
  try {
    print(`worker "${worker.config.name}" is up: ${worker.httpUrl ?? 'no HTTP'} and ${worker.socketPath}`);
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
    if (!once) {
      print('\nCtrl-C ends it.');
      await interrupted;
      print('\nstopping …');
    }
    return 0;
  } catch (error) {
    return failed('the demonstration failed', error);
  } finally {
    await worker.stop();
  }
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

/** Every folder of `functions/` that holds something a worker can run as it is. */
function findSamples(): Sample[] {
  const folder = join(root, 'functions');
  const samples: Sample[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const source = join(folder, entry.name);
    const runnable = ['main.py', 'index.js'].some((file) => existsSync(join(source, file)));
    if (!entry.isDirectory() || !runnable) continue;
    const memoryMb = MEMORY_MB[entry.name];
    const definition = { name: entry.name, source, ...(memoryMb === undefined ? {} : { memoryMb }) };
    samples.push({ definition, downloads: downloadsOf(source) });
  }
  // `hello` first: it is the one that is run.
  return samples.sort((a, b) => Number(b.definition.name === 'hello') - Number(a.definition.name === 'hello'));
}

function downloadsOf(source: string): string[] {
  const requirements = join(source, 'requirements.txt');
  if (!existsSync(requirements)) return [];
  return readFileSync(requirements, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
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
  print(`  node ${join(root, 'bin/iluvatar.js')} --socket ${worker.socketPath} invoke hello -a name=world`);
}

/** Resolves at the first Ctrl-C or SIGTERM; the second ends the process at once. */
function onInterrupt(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
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
