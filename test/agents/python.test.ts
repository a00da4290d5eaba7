import { describe, expect, test } from 'vitest';
import {
  Agent,
  CodeFolder,
  encodeFrame,
  isFrame,
  PYTHON_AGENT,
  Status,
  Type,
  text,
  value,
  withAgent,
} from './harness.js';
import { ENTRY, kept, misbehaving, python } from './python-function.js';

describe('what works', () => {
  test('arguments, results and phase times', () =>
    python('def main(args):\n    return args\n', async (agent, ready) => {
      expect(ready.status).toBe(Status.ok);
      expect(ready.x0).toBeGreaterThan(0);
      expect(value(await agent.invoke(undefined))).toEqual({});
      for (const sample of [{ a: [1, 2.5, null, true, 'é😀'] }, [1, 2], 'text', 3, null, { '': '' }]) {
        const result = await agent.invoke(sample);
        expect([result.status, value(result), result.meta]).toEqual([Status.ok, sample, {}]);
      }
    }));

  test.each([
    ['main:main', { 'main.py': 'def main(args): return "here"' }],
    ['main.py', { 'main.py': 'def main(args): return "here"' }],
    ['main', { 'main.py': 'def main(args): return "here"' }],
    ['app.py:run', { 'app.py': 'def run(args): return "here"' }],
    [
      'deep/app.py:run',
      { 'deep/app.py': 'import other\ndef run(args): return other.x', 'deep/other.py': 'x = "here"' },
    ],
    [
      'pkg.mod:run',
      {
        'pkg/__init__.py': '',
        'pkg/mod.py': 'from . import near\ndef run(args): return near.x',
        'pkg/near.py': 'x = "here"',
      },
    ],
    ['main:Api.call', { 'main.py': 'class Api:\n    @staticmethod\n    def call(args): return "here"' }],
    ['main:main', { 'main.py': 'def main(): return "here"' }],
    ['main:main', { 'main.py': 'import functools\nmain = functools.partial(lambda a, b: a, "here")' }],
    ['json:main', { 'json.py': 'def main(args): return "here"' }],
  ])('entry %s of %o', (entry, files) =>
    withAgent(PYTHON_AGENT, files, { entry }, async (agent, ready) => {
      expect([ready.status, ready.meta]).toEqual([Status.ok, {}]);
      expect(value(await agent.invoke({}))).toBe('here');
    }),
  );

  test('async def is awaited, on a loop that is kept', () =>
    python(
      'import asyncio\nloops = set()\nasync def main(args):\n    await asyncio.sleep(0.001)\n    loops.add(id(asyncio.get_running_loop()))\n    return len(loops)\n',
      async (agent) => {
        expect(value(await agent.invoke({}))).toBe(1);
        expect(value(await agent.invoke({}))).toBe(1);
      },
    ));

  test('environment, layers and what is hidden', async () => {
    using layer = new CodeFolder({ 'from_layer.py': 'x = 41' });
    const source =
      'import os, sys, from_layer\ndef main(args):\n    return [os.environ["GREETING"], from_layer.x, os.getcwd() == os.path.dirname(__file__), "ILUVATAR_TOKEN" in os.environ, "agent" in sys.modules]\n';
    await python(
      source,
      async (agent) => expect(value(await agent.invoke({}))).toEqual(['hi', 41, true, false, false]),
      { layers: [layer.path], env: { GREETING: 'hi' } },
    );
  });

  test('a body of 64 MiB goes in and out', () =>
    python('def main(args):\n    return args["data"]\n', async (agent) => {
      const data = 'x'.repeat(64 * 1024 * 1024 - 2);
      const result = await agent.invoke({ data });
      expect(result.status).toBe(Status.ok);
      expect(result.body.length).toBe(64 * 1024 * 1024);
      expect(result.body.equals(Buffer.from(`"${data}"`))).toBe(true);
    }));

  test('split and merged frames, PING', () =>
    python('def main(args):\n    return args\n', async (agent) => {
      const frames = Buffer.concat([
        encodeFrame(Type.invoke, 901, [0, 0, 0], '', '{"n":1}'),
        encodeFrame(Type.ping, 902, [0, 0, 0], '', ''),
        encodeFrame(Type.invoke, 903, [0, 0, 0], '{"tid":"t"}', '{"n":2}'),
      ]);
      for (const step of [1, 31, 33, frames.length]) {
        for (let at = 0; at < frames.length; at += step) {
          agent.send(frames.subarray(at, at + step));
          await new Promise((resolve) => setImmediate(resolve));
        }
        expect(value(isFrame(await agent.answer(901)))).toEqual({ n: 1 });
        expect(isFrame(await agent.take((frame) => frame.type === Type.pong)).requestId).toBe(902);
        expect(value(isFrame(await agent.answer(903)))).toEqual({ n: 2 });
      }
    }));

  test('HELLO comes before ASSIGN, and the end of the connection ends the process', async () => {
    await using agent = new Agent(PYTHON_AGENT);
    const hello = isFrame(await agent.take((frame) => frame.type === Type.hello));
    expect([hello.x0, hello.x1]).toEqual([1, 1]);
    expect(hello.meta).toMatchObject({ role: 'agent', container: 'w/c1', token: 'secret' });
    using code = new CodeFolder({
      'main.py':
        'import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\ndef main(a): return a',
    });
    expect((await agent.assign({ ...ENTRY, code: code.path })).status).toBe(Status.ok);
    agent.endConnection();
    expect(await agent.exited).toEqual({ code: 0, signal: null });
  });

  test('a version that does not overlap is refused by name', async () => {
    await using agent = new Agent(PYTHON_AGENT);
    using code = new CodeFolder({ 'main.py': 'def main(a): return a' });
    agent.send(encodeFrame(Type.hello, 0, [9, 8, 0], '{"role":"worker"}', ''));
    await agent.assign({ ...ENTRY, code: code.path });
    const error = isFrame(await agent.take((frame) => frame.type === Type.error));
    expect(error.meta['code']).toBe('ERR_PROTOCOL_VERSION');
    expect((await agent.exited).code).toBe(70);
  });
});

describe('output', () => {
  test('is captured per invocation, both streams, also through replaced and closed ones', () =>
    python(
      misbehaving(
        'import sys, io\nprint("out", args["n"]); print("err", file=sys.stderr); sys.stdout.buffer.write(b"raw\\n")\nsys.stdout.close()\nkeep = sys.stdout\nsys.stdout = io.StringIO()\nprint("elsewhere")\nsys.stdout = keep\nreturn 1',
      ),
      async (agent) => {
        for (const n of [1, 2]) {
          const result = await agent.invoke({ n });
          expect(result.meta).toEqual({ stdout: `out ${n}\nraw\n`, stderr: 'err\n' });
          expect(result.flags & 4).toBe(0);
        }
        expect((await agent.invoke({ probe: 1 })).meta).toEqual({});
        expect(agent.log).toBe('');
      },
    ));

  test('comes with an error too', () =>
    python(misbehaving('print("before"); raise ValueError("x")'), async (agent) => {
      expect(text(await agent.invoke({}), 'stdout')).toBe('before\n');
    }));

  test('10 MB are bounded and marked', () =>
    python(
      misbehaving('for i in range(10000): print("x" * 999)'),
      async (agent) => {
        const result = await agent.invoke({});
        expect([result.status, result.flags & 4, text(result, 'stdout').length]).toEqual([Status.ok, 4, 5000]);
        await kept(agent);
      },
      { outputBytes: 5000 },
    ));

  test('a meta that would be over its limit gives way', () =>
    python(
      misbehaving('import sys\nprint("\\x01" * 900000); sys.stderr.write("\\x02" * 900000)'),
      async (agent) => {
        const result = await agent.invoke({});
        expect(result.status).toBe(Status.ok);
        expect(text(result, 'stdout').length).toBeGreaterThan(10_000);
        await kept(agent);
      },
      { outputBytes: 1_000_000 },
    ));

  test('written to the descriptors goes to the log, as does what loading prints', () =>
    python(
      misbehaving(
        'import os, subprocess\nos.write(1, b"low\\n"); subprocess.run(["echo", "child"])',
        'print("loading")',
      ),
      async (agent) => {
        expect((await agent.invoke({})).meta).toEqual({});
        agent.endConnection();
        await agent.exited;
        expect(agent.log).toBe('loading\nlow\nchild\n');
      },
    ));
});

describe('several at once', () => {
  const SOURCE =
    'import threading, time\nbarrier = threading.Barrier(4, timeout=20)\ndef main(args):\n    print("call", args["n"])\n    if args.get("sleep"): time.sleep(args["sleep"])\n    else: barrier.wait()\n    if args["n"] == 2: raise ValueError("two")\n    return args["n"]\n';

  test('run together, each with its own answer and output', () =>
    python(
      SOURCE,
      async (agent) => {
        const ids = [0, 1, 2, 3].map((n) => agent.start({ n }));
        const results = await Promise.all(ids.map(async (id) => isFrame(await agent.answer(id))));
        expect(results.map((result) => result.status)).toEqual([0, 0, Status.userError, 0]);
        expect(results.map((result) => text(result, 'stdout'))).toEqual([0, 1, 2, 3].map((n) => `call ${n}\n`));
        expect(results[3]?.body.toString()).toBe('3');
      },
      { concurrency: 4 },
    ));

  test('a time-out of one answers all: `timeout` for it, `unavailable` for the rest', () =>
    python(
      SOURCE,
      async (agent) => {
        const overdue = agent.start({ n: 0, sleep: 60 }, 100);
        const other = agent.start({ n: 1, sleep: 60 }, 60_000);
        await new Promise((resolve) => setTimeout(resolve, 400));
        agent.process.kill('SIGUSR2');
        const result = isFrame(await agent.answer(overdue));
        expect(result.status).toBe(Status.timeout);
        expect(text(result, 'traceback')).toMatch(/main\.py", line \d+, in main/);
        expect(isFrame(await agent.answer(other)).status).toBe(Status.unavailable);
        expect((await agent.exited).code).toBe(124);
      },
      { concurrency: 4 },
    ));
});
