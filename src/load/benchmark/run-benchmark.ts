import { setTimeout as sleep } from 'node:timers/promises';
import type { FunctionDefinitionInput } from '../../config/api.js';
import type { LoadRow } from '../../results/load-row.js';
import { RowMaker } from '../load-rows.js';
import { machineUs, RunClock } from '../run-clock.js';
import type { LoadTarget } from '../target.js';

/** What each function takes, cold and warm, on each device, one invocation after the other on a target that does nothing else. */

export interface BenchmarkFunction {
  readonly name: string;
  readonly image: string;
  /** As the original names them. */
  readonly computes: readonly ('CPU' | 'GPU')[];
  /** Name, version and device are added. */
  readonly definition: Omit<FunctionDefinitionInput, 'name' | 'version' | 'devices'>;
  readonly archive: Uint8Array | null;
  /** JSON text. */
  readonly args: string;
}

export interface BenchmarkOptions {
  readonly functions: readonly BenchmarkFunction[];
  /** Each is registered anew so many times: each registration has a cold invocation. */
  readonly coldIterations: number;
  /** Invocations after the cold one. */
  readonly warmIterations: number;
  /** Instead of both: one registration, invoked for so long; ms, 0 = no. */
  readonly runtimeMs: number;
  /** Removes idle containers after each registration also on the CPU, as is done on other devices. */
  readonly clean: boolean;
  readonly target: LoadTarget;
  /** µs of the machine's clock; before the first invocation. */
  readonly begins: (originUs: number) => void;
  /** Each invocation; the row is filled again. Throws what ends the benchmark. */
  readonly measured: (fn: BenchmarkFunction, compute: string, row: Readonly<LoadRow>) => void;
  /** A function that could not be registered: the others go on. */
  readonly failed: (fn: BenchmarkFunction, compute: string, error: Error) => void;
  readonly signal: AbortSignal;
  readonly progress?: (done: number, all: number, what: string) => void;
}

/** Resolves when all is measured, or once the invocation that ran when `signal` was aborted is answered. */
export async function runBenchmark(options: BenchmarkOptions): Promise<void> {
  const { functions, coldIterations, runtimeMs, target, signal, progress } = options;
  const registrations = runtimeMs > 0 ? 1 : coldIterations;
  const all = functions.reduce((sum, { computes }) => sum + computes.length * registrations, 0);
  const clock = new RunClock();
  const originUs = machineUs();
  clock.begin(originUs);
  options.begins(originUs);
  let done = 0;
  for (const fn of functions) {
    for (const compute of fn.computes) {
      for (let i = 0; i < registrations; i++, done++) {
        if (signal.aborted) return;
        progress?.(done, all, `${fn.name} on the ${compute}`);
        const name = `${fn.name}.${compute}.${i}`;
        const definition = { ...fn.definition, name, version: String(i), devices: [DEVICES[compute]] };
        try {
          await target.register({ definition, archive: fn.archive, replace: true });
        } catch (error) {
          options.failed(fn, compute, error as Error);
          // What is wrong with it is wrong with its other versions.
          done += registrations - i;
          break;
        }
        await invokeAll(options, fn, compute, name, String(i), clock);
        if (compute !== 'CPU' || options.clean) await target.clean();
      }
    }
  }
}

/** Before the next one is sent to a target that nobody answers for: it would otherwise fail as fast as it can. */
const UNAVAILABLE_PAUSE_MS = 200;
const DEVICES = { CPU: 'cpu', GPU: 'gpu' } as const;

async function invokeAll(
  { warmIterations, runtimeMs, target, measured, signal }: BenchmarkOptions,
  fn: BenchmarkFunction,
  compute: string,
  name: string,
  version: string,
  clock: RunClock,
): Promise<void> {
  const maker = new RowMaker([`${name}@${version}`], -1);
  const untilUs = runtimeMs > 0 ? clock.now() + runtimeMs * 1000 : Number.POSITIVE_INFINITY;
  const most = runtimeMs > 0 ? Number.POSITIVE_INFINITY : warmIterations + 1;
  for (let i = 0; i < most && clock.now() < untilUs && !signal.aborted; i++) {
    const sentUs = clock.now();
    const answer = await target.invoke({ name, version, args: fn.args, tid: '', timeoutMs: 0 });
    measured(fn, compute, maker.of({ fn: 0, arrivalUs: sentUs, sentUs, client: 0 }, answer, clock.now()));
    if (answer.outcome === 'unavailable') await sleep(UNAVAILABLE_PAUSE_MS);
  }
}
