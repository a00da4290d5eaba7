import { rmSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FunctionDefinitionInput } from '../../src/config/api.js';
import type { Harness } from './support/harness.js';
import { prepare, TestContainer } from './support/harness.js';
import { temporaryFolder, writeTree } from './support/temporary.js';

/**
 * What every backend must do, whatever it is made of: one container from registration to its end, and each way in which it can end. Functions
 * are Python, since every backend runs it.
 */
export interface ConformanceOptions {
  /** Whether limits of memory are enforced here; else the out-of-memory rows are left out by name. */
  readonly memoryLimits: boolean;
  /** Nothing of the worker is left on the machine; sentences of what is. */
  leftovers(harness: Harness): string[];
}

const SOURCE = `
import os, signal, sys, time

calls = 0

def main(args):
    global calls
    calls += 1
    what = args.get("do", "echo")
    if what == "echo":
        return {"args": args, "calls": calls}
    if what == "print":
        print("to stdout")
        print("to stderr", file=sys.stderr)
        return None
    if what == "write":
        os.write(1, b"straight to fd 1\\n")
        return None
    if what == "raise":
        raise ValueError("the user's own")
    if what == "exit":
        os._exit(args.get("code", 3))
    if what == "signal":
        os.kill(os.getpid(), args["signal"])
    if what == "eat":
        held = []
        while True:
            held.append(bytearray(1024 * 1024))
    if what == "sleep":
        time.sleep(args.get("seconds", 30))
        return "slept"
    if what == "stubborn":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        while True:
            time.sleep(1)
    if what == "garbage":
        os.write(3, b"this is no frame at all, whoever reads it")
        time.sleep(30)
    if what == "close":
        os.closerange(3, 1024)
        time.sleep(30)
    if what == "environment":
        return dict(os.environ)
    if what == "large":
        return "x" * args["bytes"]
    return "?"
`;

export function describeBackend(name: string, start: () => Promise<Harness>, options: ConformanceOptions): void {
  describe(`backend ${name}`, () => {
    let harness: Harness;
    let source: string;
    const containers: TestContainer[] = [];

    beforeAll(async () => {
      harness = await start();
      source = writeTree(temporaryFolder(), { 'main.py': SOURCE });
    });

    afterEach(async () => {
      await Promise.all(containers.splice(0).map((container) => container.destroy()));
    });

    afterAll(async () => {
      await harness?.close();
      rmSync(source, { recursive: true, force: true });
    });

    async function container(more: Partial<FunctionDefinitionInput> = {}): Promise<TestContainer> {
      const fn = await prepare(harness.backend, { name: 'conformance', source, ...more });
      const made = new TestContainer(harness.backend, harness.transport, fn);
      containers.push(made);
      await made.started();
      return made;
    }

    it('prepares once what is the same, and tells what it does', async () => {
      const lines: string[] = [];
      const one = await prepare(harness.backend, { name: 'same', source }, (line) => lines.push(line));
      const two = await prepare(harness.backend, { name: 'same', source });
      const other = await prepare(harness.backend, { name: 'same', source, memoryMb: 200 });
      expect(one.key).toBe('same@1');
      expect(two.digest).toBe(one.digest);
      expect(other.digest).not.toBe(one.digest);
      expect(lines.length).toBeGreaterThan(0);
      for (const fn of [one, two, other]) await harness.backend.release(fn);
    });

    it('refuses source that is not there', async () => {
      await expect(prepare(harness.backend, { name: 'gone', source: '/nowhere/at/all' })).rejects.toMatchObject({
        errorClass: 'invalid',
      });
    });

    it('runs invocations one after the other in a container that keeps its state', async () => {
      const made = await container();
      expect(made.handle.name.startsWith(`${harness.config.name}/`)).toBe(true);
      expect(await made.invoke({ n: 1 })).toMatchObject({ errorClass: null, result: { args: { n: 1 }, calls: 1 } });
      expect(await made.invoke({ n: 2 })).toMatchObject({ errorClass: null, result: { calls: 2 } });
    });

    it('takes arguments as text, bytes, or not at all', async () => {
      const made = await container();
      expect(await made.invokeRaw('{"do":"echo"}').answer).toMatchObject({ errorClass: null });
      expect(await made.invokeRaw(Buffer.from('{"do":"echo"}')).answer).toMatchObject({ errorClass: null });
      expect(await made.invokeRaw(null).answer).toMatchObject({ errorClass: null, result: { args: {} } });
      expect(await made.invokeRaw('{"do":').answer).toMatchObject({ errorClass: 'invalid' });
    });

    it('carries large results', async () => {
      const made = await container({ memoryMb: 512 });
      const answer = await made.invoke({ do: 'large', bytes: 8 * 1024 * 1024 });
      expect((answer.result as string).length).toBe(8 * 1024 * 1024);
    });

    it('survives an exception of the user, with traceback and output', async () => {
      const made = await container();
      const failed = await made.invoke({ do: 'raise' });
      expect(failed.errorClass).toBe('user_error');
      expect(failed.message).toContain("the user's own");
      expect(failed.details?.traceback).toContain('main.py');
      const printed = await made.invoke({ do: 'print' });
      expect(printed.details).toMatchObject({ stdout: 'to stdout\n', stderr: 'to stderr\n' });
      expect(await made.invoke({})).toMatchObject({ errorClass: null, result: { calls: 3 } });
    });

    it('passes on what is written past the runtime', async () => {
      const made = await container();
      await made.invoke({ do: 'write' });
      await expect.poll(() => made.output_.stdout).toBe('straight to fd 1\n');
    });

    it('gives the function its environment and nothing of the worker’s', async () => {
      process.env['ILUVATAR_TEST_SECRET'] = 'hidden';
      const made = await container({ env: { COLOUR: 'green' } });
      const answer = await made.invoke({ do: 'environment' });
      delete process.env['ILUVATAR_TEST_SECRET'];
      expect(answer.result).toMatchObject({ COLOUR: 'green' });
      expect(Object.keys(answer.result as object)).not.toContain('ILUVATAR_TEST_SECRET');
      expect(Object.keys(answer.result as object).filter((key) => /TOKEN|ZYGOTE/.test(key))).toEqual([]);
    });

    it('names an exit and a signal', async () => {
      const exits = await container();
      expect(await exits.invoke({ do: 'exit', code: 3 })).toMatchObject({
        errorClass: 'crashed',
        message: expect.stringContaining('code 3'),
      });
      expect(await exits.exitedWith).toMatchObject({ errorClass: 'crashed', details: { evidence: { exitCode: 3 } } });
      const killed = await container();
      expect(await killed.invoke({ do: 'signal', signal: 11 })).toMatchObject({
        errorClass: 'crashed',
        message: expect.stringContaining('SIGSEGV'),
        details: { evidence: { signal: 'SIGSEGV' } },
      });
    });

    it.skipIf(!options.memoryLimits)('names an overrun of memory, with limit and peak', async () => {
      const made = await container({ memoryMb: 40 });
      const answer = await made.invoke({ do: 'eat' });
      expect(answer.errorClass).toBe('out_of_memory');
      const evidence = answer.details?.evidence ?? {};
      expect(evidence['limitBytes']).toBe(40 * 1024 * 1024);
      expect(evidence['oomKills']).toBeGreaterThan(0);
      expect(evidence['peakBytes']).toBeGreaterThan(30 * 1024 * 1024);
    });

    it('ends an overdue run: with its traceback when the code can be asked, without when it cannot', async () => {
      const polite = await container();
      const asked = polite.invokeRaw('{"do":"sleep"}', 100);
      // Asked before it has begun, it has no traceback to give.
      await new Promise((resolve) => setTimeout(resolve, 150));
      polite.handle.cancel(asked.requestId, 'timeout');
      const answer = await asked.answer;
      expect(answer.errorClass).toBe('timeout');
      expect(answer.details?.traceback).toContain('main.py');
      expect((await polite.exitedWith).errorClass).toBe('timeout');
      const stubborn = await container();
      const deaf = stubborn.invokeRaw('{"do":"stubborn"}', 100);
      await new Promise((resolve) => setTimeout(resolve, 50));
      stubborn.handle.cancel(deaf.requestId, 'timeout');
      expect((await deaf.answer).errorClass).toBe('timeout');
    });

    it('ends a run whose caller has left', async () => {
      const made = await container();
      const left = made.invokeRaw('{"do":"stubborn"}');
      await new Promise((resolve) => setTimeout(resolve, 50));
      made.handle.cancel(left.requestId, 'cancelled');
      expect((await left.answer).errorClass).toBe('cancelled');
    });

    it('names a function that writes to or closes the worker’s connection', async () => {
      const garbage = await container();
      expect(await garbage.invoke({ do: 'garbage' })).toMatchObject({
        errorClass: 'crashed',
        message: expect.stringContaining("worker's connection"),
      });
      const closed = await container();
      expect((await closed.invoke({ do: 'close' })).errorClass).toBe('crashed');
    });

    it('fails a container whose code cannot be loaded, with the traceback', async () => {
      const broken = async (text: string): Promise<unknown> => {
        const folder = writeTree(temporaryFolder(), { 'main.py': text });
        try {
          const fn = await prepare(harness.backend, { name: 'broken', source: folder });
          const made = new TestContainer(harness.backend, harness.transport, fn);
          containers.push(made);
          return await made.started().catch((failure) => failure);
        } finally {
          rmSync(folder, { recursive: true, force: true });
        }
      };
      expect(await broken('import nothing_of_that_name\ndef main(a): pass\n')).toMatchObject({
        errorClass: 'start_failed',
        message: expect.stringContaining('nothing_of_that_name'),
        transient: false,
      });
      expect(await broken('def main(a) pass\n')).toMatchObject({ errorClass: 'start_failed', transient: false });
      expect(await broken('other = 1\n')).toMatchObject({
        errorClass: 'start_failed',
        message: expect.stringContaining('main'),
      });
      expect(await broken('import os\nos._exit(7)\n')).toMatchObject({
        errorClass: 'start_failed',
        message: expect.stringContaining('code 7'),
      });
    });

    it('gives up on code that never finishes loading', async () => {
      const folder = writeTree(temporaryFolder(), { 'main.py': 'import time\ntime.sleep(60)\n' });
      const fn = await prepare(harness.backend, { name: 'slow', source: folder, startupTimeoutMs: 300 });
      const made = new TestContainer(harness.backend, harness.transport, fn);
      containers.push(made);
      await expect(made.started()).rejects.toMatchObject({
        errorClass: 'start_failed',
        message: expect.stringContaining('300 ms'),
      });
      rmSync(folder, { recursive: true, force: true });
    });

    it('reads the memory of many containers at once, and none of its own accord', async () => {
      const three = await Promise.all([container(), container(), container()]);
      const reads = harness.backend.health().counters['memoryReads'];
      const readings = await harness.backend.memory(three.map((made) => made.handle));
      expect(readings.length).toBe(3);
      for (const { usedBytes } of readings) expect(usedBytes).toBeGreaterThan(100_000);
      expect(harness.backend.health().counters['memoryReads']).toBe((reads ?? 0) + 3);
    });

    it('destroys in every state, any number of times', async () => {
      const idle = await container();
      await Promise.all([idle.destroy(), idle.destroy()]);
      await idle.destroy();
      const busy = await container();
      busy.invokeRaw('{"do":"sleep"}');
      await busy.destroy();
      const fn = await prepare(harness.backend, { name: 'conformance', source });
      const unborn = new TestContainer(harness.backend, harness.transport, fn);
      await unborn.destroy();
    });

    it('makes many at once', async () => {
      const many = await Promise.all(Array.from({ length: 40 }, () => container({ memoryMb: 64 })));
      const answers = await Promise.all(many.map((made, n) => made.invoke({ n })));
      for (const [n, answer] of answers.entries())
        expect(answer).toMatchObject({ errorClass: null, result: { args: { n } } });
      expect(new Set(many.map((made) => made.handle.name)).size).toBe(40);
    });

    it('cleans without touching what lives', async () => {
      const made = await container();
      await harness.backend.clean();
      expect(await made.invoke({})).toMatchObject({ errorClass: null });
    });

    it('leaves nothing', async () => {
      const made = await container();
      made.invokeRaw('{"do":"sleep"}');
      await harness.close();
      expect(options.leftovers(harness)).toEqual([]);
    });
  });
}
