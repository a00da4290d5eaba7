import { afterAll, beforeAll, expect, it } from 'vitest';
import type { IluvatarError } from '../../src/index.js';
import { describeWith } from '../support/requirement.js';
import { rejection, WorkerFixture } from './support/worker-fixture.js';

/**
 * Whatever a function does, its caller gets a well-formed answer of the right class, and the next invocation works: on the same container when that is
 * still sound, on a new one when it is not. Through the whole worker, sandbox included.
 */

interface Case {
  what: string;
  body: string;
  errorClass: string;
  /** Text in the message, traceback or evidence. */
  says?: string;
  kept: boolean;
}

const PYTHON: Case[] = [
  { what: 'an exception', body: 'raise KeyError("lost")', errorClass: 'user_error', says: 'KeyError', kept: true },
  { what: 'sys.exit', body: 'import sys; sys.exit(3)', errorClass: 'user_error', says: 'SystemExit', kept: true },
  { what: 'os._exit', body: 'import os; os._exit(7)', errorClass: 'crashed', says: '7', kept: false },
  { what: 'SIGABRT', body: 'import os; os.abort()', errorClass: 'crashed', says: 'SIGABRT', kept: false },
  { what: 'SIGSEGV', body: 'import ctypes; ctypes.string_at(0)', errorClass: 'crashed', says: 'SIGSEGV', kept: false },
  {
    what: 'SIGKILL',
    body: 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)',
    errorClass: 'crashed',
    says: 'SIGKILL',
    kept: false,
  },
  { what: 'an unserialisable result', body: 'return {1, 2}', errorClass: 'user_error', says: 'set', kept: true },
  {
    what: 'endless recursion',
    body: 'f = lambda n: f(n + 1); f(0)',
    errorClass: 'user_error',
    says: 'RecursionError',
    kept: true,
  },
  {
    what: 'closing every descriptor',
    body: 'import os; os.closerange(0, 4096); return 1',
    errorClass: 'crashed',
    kept: false,
  },
  {
    what: 'writing to every descriptor',
    body: 'import os\n    for fd in range(3, 64):\n        try: os.write(fd, b"garbage" * 99)\n        except OSError: pass\n    return 1',
    errorClass: 'crashed',
    kept: false,
  },
  { what: 'a result over the limit', body: 'return "x" * (9 << 20)', errorClass: 'too_large', kept: true },
];

const NODE: Case[] = [
  {
    what: 'an exception',
    body: 'throw new TypeError("lost")',
    errorClass: 'user_error',
    says: 'TypeError',
    kept: true,
  },
  {
    what: 'a rejection',
    body: 'return Promise.reject(new RangeError("later"))',
    errorClass: 'user_error',
    says: 'RangeError',
    kept: true,
  },
  { what: 'process.exit', body: 'process.exit(3)', errorClass: 'user_error', says: '3', kept: true },
  { what: 'process.abort', body: 'process.abort()', errorClass: 'crashed', says: 'SIGABRT', kept: false },
  {
    what: 'SIGKILL',
    body: 'process.kill(process.pid, "SIGKILL"); for (;;) {}',
    errorClass: 'crashed',
    says: 'SIGKILL',
    kept: false,
  },
  { what: 'a circular result', body: 'const a = {}; a.a = a; return a', errorClass: 'user_error', kept: true },
  { what: 'a BigInt', body: 'return 10n', errorClass: 'user_error', says: 'BigInt', kept: true },
  { what: 'a result over the limit', body: 'return "x".repeat(9 << 20)', errorClass: 'too_large', kept: true },
];

describeWith({ root: true, cgroups: true }, 'a misbehaving function', () => {
  let fixture: WorkerFixture;

  beforeAll(async () => {
    fixture = await WorkerFixture.start({ transport: { maxBodyBytes: 8 << 20 }, http: { enabled: false } });
  });
  afterAll(async () => await fixture?.[Symbol.asyncDispose]());

  let count = 0;

  async function misbehave(expected: Case, register: (name: string) => Promise<void>): Promise<void> {
    const { worker } = fixture;
    const name = `case-${count++}`;
    await register(name);
    const error = await rejection(worker.invoke(name, { bad: true }));
    expect(error.errorClass).toBe(expected.errorClass);
    if (expected.says !== undefined) expect(wholeText(error)).toContain(expected.says);
    const next = await worker.invoke(name, {});
    expect(next).toMatchObject({ result: 'fine', containerState: expected.kept ? 'warm' : 'cold' });
    await worker.unregister(name);
  }

  it.each(PYTHON)('Python: $what is answered $errorClass', async (expected) => {
    const main = `def main(args):\n    if not args.get("bad"):\n        return "fine"\n    ${expected.body}\n`;
    await misbehave(expected, (name) => fixture.python(name, main));
  });

  it.each(NODE)('Node: $what is answered $errorClass', async (expected) => {
    const index = `export function handler(args) {\n  if (!args.bad) return 'fine';\n  ${expected.body};\n}\n`;
    await misbehave(expected, (name) => fixture.node(name, index));
  });

  it.each([
    [
      'Python',
      (name: string) =>
        fixture.python(
          name,
          'def main(args):\n    hoard = []\n    while args.get("bad"):\n        hoard.append(bytearray(b"x") * (1 << 20))\n    return "fine"\n',
          { memoryMb: 64 },
        ),
    ],
    [
      'Node',
      (name: string) =>
        fixture.node(
          name,
          'export const handler = (args) => {\n  const hoard = [];\n  while (args.bad) hoard.push(Buffer.alloc(1 << 20, 1));\n  return "fine";\n};\n',
          { memoryMb: 96 },
        ),
    ],
  ])('%s over its memory is answered out_of_memory with the evidence', async (language, register) => {
    const { worker } = fixture;
    const name = `hoard-${language.toLowerCase()}`;
    await register(name);
    const error = await rejection(worker.invoke(name, { bad: true }));
    expect(error.errorClass).toBe('out_of_memory');
    expect(error.details.evidence).toMatchObject({ oomKills: expect.any(Number), limitBytes: expect.any(Number) });
    expect((await worker.invoke(name)).result).toBe('fine');
    const { memory } = await worker.status();
    expect(memory.runningMb + memory.cachedMb).toBe(memory.totalMb);
    await worker.unregister(name);
  });

  it('code that does not load is answered start_failed with its traceback, every time', async () => {
    const { worker } = fixture;
    await fixture.python('broken', 'import nonexistent_module\n\ndef main(args):\n    return 1\n');
    for (let i = 0; i < 2; i++) {
      const error = await rejection(worker.invoke('broken'));
      expect(error.errorClass).toBe('start_failed');
      expect(wholeText(error)).toContain('nonexistent_module');
    }
    await fixture.python('missing', 'def other(args):\n    return 1\n');
    const missing = await rejection(worker.invoke('missing'));
    expect(missing.errorClass).toBe('start_failed');
    expect(missing.message).toContain('main');
  });

  it('ten megabytes of output are cut and marked, and the result arrives', async () => {
    const { worker } = fixture;
    await fixture.python(
      'noisy',
      'def main(args):\n    for _ in range(10):\n        print("x" * (1 << 20))\n    return "fine"\n',
    );
    const { result, stdout } = await worker.invoke('noisy');
    expect(result).toBe('fine');
    expect(stdout.length).toBeGreaterThan(1000);
    expect(stdout.length).toBeLessThan(200_000);
  });

  it('a thread left running neither holds the answer nor the container', async () => {
    const { worker } = fixture;
    await fixture.python(
      'threaded',
      'import threading, time\ndef main(args):\n    threading.Thread(target=time.sleep, args=(30,), daemon=True).start()\n    return "fine"\n',
    );
    expect((await worker.invoke('threaded')).result).toBe('fine');
    expect((await worker.invoke('threaded')).containerState).toBe('warm');
  });

  it('async functions are awaited', async () => {
    const { worker } = fixture;
    await fixture.python(
      'async-python',
      'import asyncio\nasync def main(args):\n    await asyncio.sleep(0.01)\n    return "awaited"\n',
    );
    await fixture.node(
      'async-node',
      'export async function handler() {\n  await new Promise((r) => setTimeout(r, 10));\n  return "awaited";\n}\n',
    );
    expect((await worker.invoke('async-python')).result).toBe('awaited');
    expect((await worker.invoke('async-node')).result).toBe('awaited');
  });

  it('forked randomness differs between containers', async () => {
    const { worker } = fixture;
    const main = 'import random, uuid\ndef main(args):\n    return [random.random(), str(uuid.uuid4())]\n';
    const seen = new Set<string>();
    for (let i = 0; i < 5; i++) {
      await fixture.python(`random-${i}`, `${main}# ${i}\n`);
      for (const value of (await worker.invoke<unknown[]>(`random-${i}`)).result) seen.add(String(value));
    }
    expect(seen.size).toBe(10);
  });

  it('leaves no payload and no container behind', async () => {
    const { worker } = fixture;
    await worker.clean();
    const { counters, memory } = await worker.status();
    expect(counters.payloadsLive).toBe(0);
    expect(memory.totalMb).toBe(0);
  });
});

function wholeText(error: IluvatarError): string {
  return `${error.message}\n${JSON.stringify(error.details)}`;
}
