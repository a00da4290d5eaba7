import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import type { Client, FunctionDefinitionInput } from '../../../src/index.js';
import { keptBy } from '../../support/keeper.js';
import type { WorkerProcess } from './worker-process.js';

/** A function by which a container is known again. */

/** Says how often this very container was called, and which process it is: a new container would begin with 1 again. */
const COUNTER = `
import os, time
calls = 0
def main(args):
    global calls
    calls += 1
    if "sleep" in args:
        time.sleep(args["sleep"])
    if "print" in args:
        print(args["print"], flush=True)
    if "write" in args:
        os.write(1, b"." * args.get("after", 0) + args["write"].encode() + b"\\n")
    if "die" in args:
        os._exit(args["die"])
    return {"calls": calls, "pid": os.getpid(), "size": len(args.get("fill", ""))}
`;

export interface Counted {
  calls: number;
  size: number;
}

export function counter(worker: WorkerProcess, over: Partial<FunctionDefinitionInput> = {}): FunctionDefinitionInput {
  return { name: 'counter', source: worker.source('counter', COUNTER), memoryMb: 64, ...over };
}

/** Writes it below a folder of somebody else's; where it is. */
export function writeCounter(folder: string): string {
  const path = join(folder, 'counter');
  mkdirSync(path);
  writeFileSync(join(path, 'main.py'), COUNTER);
  return path;
}

export async function call(
  client: Client,
  args: object = {},
  name = 'counter',
): Promise<Counted & { state: string | null }> {
  const { result, containerState } = await client.invoke<Counted>(name, args);
  return { ...result, state: containerState };
}

const SOON = { timeout: 30_000 };

/** What became ready is given to the keeper a turn of the loop later. */
export async function untilKept(worker: WorkerProcess, count = 1): Promise<void> {
  await vi.waitFor(async () => expect((await keptBy(worker.dataDir)).length).toBeGreaterThanOrEqual(count), SOON);
}

/** Starts it, has it run `first`, and kills it. */
export async function livedOnce(worker: WorkerProcess, first: (client: Client) => Promise<unknown>): Promise<void> {
  await worker.start();
  await worker.client(async (client) => {
    await first(client);
    await untilKept(worker);
  });
  await worker.kill();
}

/** Kills it in the middle of a run with these arguments, whose caller is told. */
export async function killedInRun(worker: WorkerProcess, client: Client, args: object): Promise<void> {
  await untilKept(worker);
  const cut = expect(call(client, args)).rejects.toMatchObject({
    errorClass: 'unavailable',
    details: { mayHaveRun: true },
  });
  await vi.waitFor(async () => expect((await client.status()).memory.runningContainers).toBe(1), SOON);
  await worker.kill();
  await cut;
}
