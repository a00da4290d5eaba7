import { setTimeout as pause } from 'node:timers/promises';
import { type AsyncInvocation, type Client, connect, IluvatarError } from '../../src/index.js';
import type { WorkerProcess } from '../../test/recovery/support/worker-process.js';

/**
 * A worker that is killed with SIGKILL at random moments under load, also while it recovers from the kill before: what was acknowledged must be there, what was accepted must
 * end in exactly one way, and nothing may be left behind.
 */
export interface KillSoakOptions {
  readonly kills: number;
  /** Between two looks at everything that was accepted. */
  readonly killsPerRound: number;
  /** Longest life of a worker, from its being ready; ms. */
  readonly longestLifeMs: number;
  /** Uniform in [0, 1). */
  random(): number;
  log(line: string): void;
}

export interface KillSoakResult {
  readonly kills: number;
  /** Lives that ended before the worker was ready. */
  readonly duringStart: number;
  readonly accepted: number;
  readonly answered: number;
  /** Calls that the end of a worker cut off. */
  readonly cutOff: number;
  /** Broken promises, in words. */
  readonly problems: readonly string[];
}

/** What one client has been told. */
interface Told {
  /** Arguments by id. */
  readonly accepted: Map<string, number>;
  readonly functions: Set<string>;
  answered: number;
  cutOff: number;
}

const FUNCTION = 'echo';
const SOURCE = 'def main(args):\n    return {"n": args.get("n")}\n';
const CALLERS = 3;
const SUBMITTERS = 3;
/** Of the lives, those that end while the worker recovers: a moment within what the start before took, which on a busy machine is many times what it takes on a quiet one. */
const DURING_START = 0.25;
/** Whatever the machine does besides. */
const END_LIMIT_MS = 120_000;

/** For `WorkerProcess`: an invocation may be interrupted by far more ends of a worker than would be usual. */
export const KILL_SOAK_CONFIG = {
  async: { attempts: 100, interruptions: 1000, backOffMs: 10, maxBackOffMs: 100, results: { keepMs: 3_600_000 } },
} as const;

export async function soakKills(worker: WorkerProcess, options: KillSoakOptions): Promise<KillSoakResult> {
  const { kills, killsPerRound, log, random } = options;
  const source = worker.source(FUNCTION, SOURCE);
  const told: Told = { accepted: new Map(), functions: new Set(), answered: 0, cutOff: 0 };
  const problems: string[] = [];
  let accepted = 0;
  let duringStart = 0;
  let startMs = await startedWithin(worker);
  await worker.client((client) => client.register({ name: FUNCTION, source, memoryMb: 64 }));
  told.functions.add(FUNCTION);
  await worker.kill();
  for (let killed = 1; killed < kills; ) {
    for (let n = 0; n < killsPerRound && killed < kills; n++, killed++) {
      const took = await oneLife(worker, source, told, startMs, options);
      if (took === null) duringStart++;
      else startMs = took;
    }
    accepted += told.accepted.size;
    problems.push(...(await lookAtAll(worker, told, random)));
    log(`${killed} of ${kills} kills, ${accepted} accepted, ${told.answered} answered, ${problems.length} problems`);
    told.accepted.clear();
    await worker.kill();
  }
  await worker.start();
  problems.push(...(await worker.stopAndLook()).map((what) => `left: ${what}`));
  return { kills, duringStart, accepted, answered: told.answered, cutOff: told.cutOff, problems };
}

/** How long it takes until it is ready; ms. */
async function startedWithin(worker: WorkerProcess): Promise<number> {
  const beganAt = performance.now();
  await worker.start();
  return performance.now() - beganAt;
}

/** What its start took in ms; null: it was killed before it was ready. `startMs`: what the start before took. */
async function oneLife(
  worker: WorkerProcess,
  source: string,
  told: Told,
  startMs: number,
  { longestLifeMs, random }: KillSoakOptions,
): Promise<number | null> {
  const started = startedWithin(worker).catch((error: Error) => error);
  if (random() < DURING_START) {
    const first = await Promise.race([started, pause(random() * startMs)]);
    if (first instanceof Error) throw first;
    await worker.kill();
    await started;
    return first ?? null;
  }
  const took = await started;
  if (took instanceof Error) throw took;
  const client = await connect(worker.socket);
  const load = loadUntilTheEnd(client, source, told, random);
  // Awaited below: until then a failure must not count as one that nobody hears of.
  load.catch(() => undefined);
  await pause(random() * longestLifeMs);
  await worker.kill();
  await load;
  return took;
}

/** Ends with the connection. */
async function loadUntilTheEnd(client: Client, source: string, told: Told, random: () => number): Promise<void> {
  const call = async (): Promise<void> => {
    const n = Math.floor(random() * 1e9);
    const { result } = await client.invoke<{ n: number }>(FUNCTION, { n });
    if (result.n !== n) throw new Error(`${n} was answered by ${JSON.stringify(result)}`);
    told.answered++;
  };
  const submit = async (): Promise<void> => {
    const n = Math.floor(random() * 1e9);
    const id = await client.invokeAsync(FUNCTION, { n });
    told.accepted.set(id, n);
  };
  const register = async (): Promise<void> => {
    const name = `f${Math.floor(random() * 1e9)}`;
    await client.register({ name, source, memoryMb: 64 });
    told.functions.add(name);
  };
  const forever = async (work: () => Promise<void>): Promise<void> => {
    for (;;) {
      try {
        await work();
      } catch (error) {
        if (!(error instanceof IluvatarError) || error.errorClass !== 'unavailable') throw error;
        told.cutOff++;
        return;
      }
    }
  };
  const callers = Array.from({ length: CALLERS }, () => forever(call));
  const submitters = Array.from({ length: SUBMITTERS }, () => forever(submit));
  await Promise.all([...callers, ...submitters, forever(register)]);
  client.close();
}

/** Everything that was acknowledged, by a worker that is left in peace. */
async function lookAtAll(worker: WorkerProcess, told: Told, random: () => number): Promise<string[]> {
  await worker.start();
  return await worker.client(async (client) => {
    const problems: string[] = [];
    const known = new Set((await client.list()).map(({ name }) => name));
    for (const name of told.functions) if (!known.has(name)) problems.push(`${name} is not registered any more`);
    for (const [id, n] of told.accepted) {
      const fault = await faultOf(client, id, n);
      if (fault !== null) problems.push(`${id}: ${fault}`);
    }
    const n = Math.floor(random() * 1e9);
    const { result } = await client.invoke<{ n: number }>(FUNCTION, { n });
    if (result.n !== n) problems.push(`the next invocation was answered ${JSON.stringify(result)}`);
    const { memory } = await client.status();
    if (memory.runningMb + memory.cachedMb !== memory.totalMb) problems.push(`memory: ${JSON.stringify(memory)}`);
    // Else each look would begin with more to register again.
    for (const name of told.functions) {
      if (name === FUNCTION) continue;
      await client.unregister(name);
      told.functions.delete(name);
    }
    return problems;
  });
}

/** Read twice: an end that was told must not change. */
async function faultOf(client: Client, id: string, n: number): Promise<string | null> {
  const read = (): Promise<AsyncInvocation> => client.result(id, { waitMs: END_LIMIT_MS });
  try {
    const first = await read();
    if (first.status !== 'done') return `accepted, and ${first.status} (${first.error?.message ?? 'no error'})`;
    const result = first.result?.result as { n: number } | undefined;
    if (result?.n !== n) return `another's result: ${JSON.stringify(first.result)}`;
    const second = await read();
    return JSON.stringify(second) === JSON.stringify(first) ? null : 'its end has changed';
  } catch (error) {
    return (error as Error).message;
  }
}
