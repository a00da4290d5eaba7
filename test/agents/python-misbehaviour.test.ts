import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Agent, type Answer, CodeFolder, isFrame, PYTHON_AGENT, Status, text, value, withAgent } from './harness.js';
import { ENTRY, kept, misbehaving, python } from './python-function.js';

describe('errors of the function: answered, and the container is kept', () => {
  test.each<[string, string, number, RegExp, RegExp | null]>([
    [
      'exception',
      'raise ValueError("no good")',
      Status.userError,
      /^ValueError: no good$/,
      /main\.py", line \d+, in main/,
    ],
    [
      'own exception whose __str__ fails',
      'class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E()',
      Status.userError,
      /E/,
      null,
    ],
    ['sys.exit(3)', 'import sys; sys.exit(3)', Status.userError, /^the function called sys\.exit\(3\)$/, /SystemExit/],
    ['KeyboardInterrupt', 'raise KeyboardInterrupt', Status.userError, /^KeyboardInterrupt$/, /main\.py/],
    ['recursion', 'def f(): f()\nf()', Status.userError, /^RecursionError/, /in f/],
    ['MemoryError of its own', 'raise MemoryError', Status.userError, /MemoryError/, /main\.py/],
    ['bytes as result', 'return b"x"', Status.userError, /cannot be serialised.*type bytes/, null],
    ['an object as result', 'return {"a": [object()]}', Status.userError, /cannot be serialised.*type object/, null],
    ['a result with odd keys', 'return {(1, 2): 3}', Status.userError, /keys must be .* not tuple/, null],
    ['NaN as result', 'return {"x": float("nan")}', Status.userError, /cannot be serialised.*JSON compliant/, null],
    ['a circular result', 'a = []; a.append(a); return a', Status.userError, /[Cc]ircular/, null],
    [
      'a deeply nested result',
      'a = []\nfor _ in range(100000): a = [a]\nreturn a',
      Status.userError,
      /nested too deeply/,
      null,
    ],
    ['a result over the limit', 'return "x" * 2000000', Status.tooLarge, /2000002 bytes; at most 1048576/, null],
    [
      'sys.modules emptied, then an error',
      'kept_sys.modules.clear()\nraise ValueError("late")',
      Status.userError,
      /late/,
      null,
    ],
  ])('%s', (_name, body, status, message, traceback) =>
    python(
      misbehaving(body, 'import sys as kept_sys'),
      async (agent) => {
        const result = await agent.invoke({});
        expect(result.status).toBe(status);
        expect(text(result, 'message')).toMatch(message);
        if (traceback !== null) expect(text(result, 'traceback')).toMatch(traceback);
        expect(text(result, 'traceback')).not.toContain('iluvatar_agent');
        expect(result.body.length).toBe(0);
        await kept(agent);
        const again = await agent.invoke({});
        expect([again.status, again.meta['message']]).toEqual([result.status, result.meta['message']]);
      },
      { maxBody: 1024 * 1024 },
    ),
  );

  test.each([
    ['garbage', '{"a":', /not valid JSON/],
    ['two values', '{} {}', /not valid JSON/],
    ['NaN', '{"a": NaN}', /NaN is not JSON/],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0x22]), /not valid JSON/],
    ['nested too deeply', '['.repeat(200_000), /not valid JSON/],
  ])('malformed arguments: %s', (_name, body, message) =>
    python('def main(args):\n    return args\n', async (agent) => {
      const result = await agent.invoke(Buffer.from(body as string));
      expect(result.status).toBe(Status.invalid);
      expect(text(result, 'message')).toMatch(message);
      await kept(agent);
    }),
  );

  test('an exception inside async def has the user’s frames only', () =>
    python(
      'import asyncio\nasync def main(args):\n    await asyncio.sleep(0)\n    raise ValueError("late")\n',
      async (agent) => {
        const result = await agent.invoke({});
        expect(result.status).toBe(Status.userError);
        expect(text(result, 'traceback').split('\n')[1]).toMatch(/main\.py", line 4, in main/);
      },
    ));

  test('MemoryError where RLIMIT_DATA is the memory limit is out_of_memory', () =>
    python(
      misbehaving('raise MemoryError'),
      async (agent) => {
        const result = await agent.invoke({});
        expect(result.status).toBe(Status.outOfMemory);
        expect(result.meta['evidence']).toEqual({ limit: 'RLIMIT_DATA', limitMb: 64 });
        await kept(agent);
      },
      { rlimitDataMb: 64 },
    ));

  test('monkey-patched json, time, os, socket and builtins do not reach the agent', () =>
    python(
      misbehaving(
        'import builtins, json, time, os, socket, traceback, struct\nfor module in (json, time, os, socket, traceback, struct):\n    for name in list(vars(module)):\n        if not name.startswith("__"): setattr(module, name, None)\nfor name in ("len", "type", "str", "isinstance", "min", "hasattr", "bytes"): setattr(builtins, name, None)\nreturn 7',
      ),
      async (agent) => {
        expect(value(await agent.invoke({}))).toBe(7);
        await kept(agent);
        expect(value(await agent.invoke({}))).toBe(7);
      },
    ));
});

describe('dies: the supervisor reports it', () => {
  test.each<[string, string, { code: number | null; signal: string | null }]>([
    ['os._exit(9)', 'import os; os._exit(9)', { code: 9, signal: null }],
    ['SIGABRT', 'import os; os.abort()', { code: null, signal: 'SIGABRT' }],
    ['SIGSEGV', 'import ctypes; ctypes.string_at(0)', { code: null, signal: 'SIGSEGV' }],
    ['SIGKILL', 'import os; os.kill(os.getpid(), 9)', { code: null, signal: 'SIGKILL' }],
    ['closes every descriptor', 'import os; os.closerange(0, 256); return 1', { code: 121, signal: null }],
    [
      'another socket at descriptor 3',
      'import os, socket\nother = socket.socketpair()\nos.dup2(other[0].fileno(), 3)\nreturn 1',
      { code: 121, signal: null },
    ],
    [
      'a file at descriptor 3',
      'import os\nos.dup2(os.open("/dev/null", os.O_RDWR), 3)\nreturn 1',
      { code: 121, signal: null },
    ],
  ])('%s', (_name, body, end) =>
    python(misbehaving(body), async (agent) => {
      expect(await agent.answer(agent.start({}))).toEqual({ ended: end, garbage: null });
    }),
  );

  test('writes to every descriptor: garbage on the connection, which ends it', () =>
    python(
      misbehaving('import os\nfor fd in range(256):\n    try: os.write(fd, b"garbage" * 10)\n    except OSError: pass'),
      async (agent) => {
        const answer: Answer = await agent.answer(agent.start({}));
        expect(answer).toHaveProperty('garbage', expect.stringContaining('garbage on the connection'));
      },
    ));
});

describe('threads, forks, signals', () => {
  test('a thread that is still running does not hold up the answer, and prints to the log', () =>
    python(
      misbehaving(
        'import threading, time\ndef late():\n    time.sleep(0.2); print("late", flush=True)\nthreading.Thread(target=late).start()\nreturn 1',
      ),
      async (agent) => {
        expect((await agent.invoke({})).meta).toEqual({});
        await kept(agent);
        await expect.poll(() => agent.log, { timeout: 10_000 }).toBe('late\n');
      },
    ));

  test('a fork that comes back out of the handler does not answer', () =>
    python(misbehaving('import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\nreturn os.getpid()'), async (agent) => {
      expect(value(await agent.invoke({}))).toBe(agent.process.pid);
      await kept(agent);
    }));

  test('processes of multiprocessing, forked and started afresh', () =>
    python(
      'import multiprocessing, os\ndef work(n): return n * 2\ndef main(args):\n    with multiprocessing.get_context(args["how"]).Pool(2) as pool: return pool.map(work, [1, 2, 3])\n',
      async (agent) => {
        for (const how of ['fork', 'spawn']) expect(value(await agent.invoke({ how }))).toEqual([2, 4, 6]);
      },
    ));

  test('user signal handlers, recursion limit, trace function', () =>
    python(
      misbehaving(
        'import signal, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.setitimer(signal.ITIMER_REAL, 0.05)\nsignal.signal(signal.SIGALRM, lambda *a: None)\nsys.settrace(lambda *a: None)\nreturn 1',
      ),
      async (agent) => {
        expect(value(await agent.invoke({}))).toBe(1);
        agent.process.kill('SIGTERM');
        await kept(agent);
      },
    ));

  test('cancelled by time-out: the traceback says where it was, with its output', () =>
    python(misbehaving('import time\nprint("going in", flush=True)\ntime.sleep(60)'), async (agent) => {
      const id = agent.start({}, 100);
      await new Promise((resolve) => setTimeout(resolve, 300));
      agent.process.kill('SIGUSR2');
      const result = isFrame(await agent.answer(id));
      expect(result.status).toBe(Status.timeout);
      expect(text(result, 'traceback')).toMatch(/main\.py", line \d+, in main\n\s+time\.sleep\(60\)\n$/);
      expect(text(result, 'stdout')).toBe('going in\n');
      expect(await agent.exited).toEqual({ code: 124, signal: null });
    }));

  test('cancelled while it awaits', () =>
    python(
      'import asyncio\nasync def inner():\n    await asyncio.sleep(60)\nasync def main(args):\n    await inner()\n',
      async (agent) => {
        const id = agent.start({}, 50);
        await new Promise((resolve) => setTimeout(resolve, 200));
        agent.process.kill('SIGUSR2');
        expect(isFrame(await agent.answer(id)).status).toBe(Status.timeout);
      },
    ));
});

describe('code that cannot be loaded: READY says start_failed, and the process exits', () => {
  test.each<[string, string, Record<string, string>, RegExp, RegExp | null]>([
    [
      'import error',
      'main:main',
      { 'main.py': 'print("first")\nimport nothing_like_this' },
      /ModuleNotFoundError.*nothing_like_this/,
      /main\.py", line 2/,
    ],
    ['syntax error', 'main:main', { 'main.py': 'def main(:\n  pass' }, /SyntaxError/, /main\.py", line 1/],
    ['exception', 'main:main', { 'main.py': '1/0' }, /ZeroDivisionError/, /main\.py", line 1/],
    ['sys.exit', 'main:main', { 'main.py': 'import sys; sys.exit(5)' }, /SystemExit/, null],
    ['no such module', 'nothing:main', { 'main.py': 'def main(a): pass' }, /no module 'nothing'.*main\.py/, null],
    ['no such function', 'main:run', { 'main.py': 'def main(a): pass' }, /no 'run' \(functions there: main\)/, null],
    ['not a function', 'main:main', { 'main.py': 'main = 3' }, /is a int, not a function/, null],
  ])('%s', (_name, entry, files, message, traceback) =>
    withAgent(PYTHON_AGENT, files, { entry }, async (agent, ready) => {
      expect(ready.status).toBe(Status.startFailed);
      expect(text(ready, 'message')).toMatch(message);
      if (traceback !== null) expect(text(ready, 'traceback')).toMatch(traceback);
      expect(text(ready, 'traceback')).not.toContain('iluvatar_agent');
      if (_name === 'import error') expect(text(ready, 'stdout')).toBe('first\n');
      expect((await agent.exited).code).toBe(1);
    }),
  );

  test('loading that takes too long says where it is', async () => {
    await using agent = new Agent(PYTHON_AGENT);
    using code = new CodeFolder({ 'main.py': 'import os, time\nos.write(1, b"in")\ntime.sleep(60)' });
    const ready = agent.assign({ ...ENTRY, code: code.path });
    await expect.poll(() => agent.log, { timeout: 10_000 }).toBe('in');
    agent.process.kill('SIGUSR2');
    const frame = await ready;
    expect(frame.status).toBe(Status.startFailed);
    expect(text(frame, 'traceback')).toContain(join(code.path, 'main.py'));
    expect((await agent.exited).code).toBe(124);
  });
});
