import { describe, expect, test } from 'vitest';
import { Agent, CodeFolder, NODE_AGENT, Status, text, value, withAgent } from './harness.js';
import { kept, misbehaving, node } from './node-function.js';

describe('errors of the function: answered, and the container is kept', () => {
  test.each<[string, string, number, RegExp, RegExp | null]>([
    [
      'exception',
      misbehaving('throw new TypeError("no good");'),
      Status.userError,
      /^TypeError: no good$/,
      /index\.js:3:/,
    ],
    [
      'rejection',
      misbehaving('await null; throw new RangeError("late");', 'async'),
      Status.userError,
      /^RangeError: late$/,
      /index\.js:3:/,
    ],
    ['a thrown string', misbehaving('throw "words";'), Status.userError, /^thrown value: words$/, null],
    [
      'an error with hostile getters',
      misbehaving('throw { get message() { throw 1; }, get stack() { throw 2; } };'),
      Status.userError,
      /cannot be shown/,
      null,
    ],
    [
      'process.exit(3)',
      misbehaving('process.exit(3);'),
      Status.userError,
      /^the function called process\.exit\(3\)$/,
      /index\.js:3:/,
    ],
    [
      'process.exit swallowed',
      misbehaving('try { process.exit(4); } catch {} return 1;'),
      Status.userError,
      /process\.exit\(4\)/,
      null,
    ],
    [
      'process.exit in a callback',
      misbehaving('setTimeout(() => process.exit(5), 1); return new Promise(() => {});'),
      Status.userError,
      /process\.exit\(5\)/,
      null,
    ],
    [
      'uncaught exception in a callback',
      misbehaving('setTimeout(() => { throw new Error("thrown later"); }, 1); return new Promise(() => {});'),
      Status.userError,
      /thrown later/,
      /index\.js:3:/,
    ],
    [
      'unhandled rejection',
      misbehaving('Promise.reject(new Error("nobody cares")); return new Promise(() => {});'),
      Status.userError,
      /nobody cares/,
      /index\.js:3:/,
    ],
    ['recursion', misbehaving('const f = () => f() + 1; return f();'), Status.userError, /^RangeError/, /index\.js:3:/],
    ['BigInt as result', misbehaving('return { a: 1n };'), Status.userError, /cannot be serialised.*BigInt/, null],
    [
      'a circular result',
      misbehaving('const a = {}; a.a = a; return a;'),
      Status.userError,
      /cannot be serialised.*circular/,
      null,
    ],
    [
      'a function as result',
      misbehaving('return () => 1;'),
      Status.userError,
      /cannot be serialised.*function is not JSON/,
      null,
    ],
    [
      'a deeply nested result',
      misbehaving('let a = []; for (let i = 0; i < 1e6; i++) a = [a]; return a;'),
      Status.userError,
      /cannot be serialised/,
      null,
    ],
    [
      'a thenable that lies',
      misbehaving('return { get then() { throw new Error("no then"); } };'),
      Status.userError,
      /no then/,
      null,
    ],
    [
      'a result over the limit',
      misbehaving('return "x".repeat(2000000);'),
      Status.tooLarge,
      /2000002 bytes; at most 1048576/,
      null,
    ],
  ])('%s', (_name, source, status, message, traceback) =>
    node(
      source,
      async (agent) => {
        const result = await agent.invoke({});
        expect(result.status).toBe(status);
        expect(text(result, 'message')).toMatch(message);
        if (traceback !== null) expect(text(result, 'traceback')).toMatch(traceback);
        expect(text(result, 'traceback')).not.toContain('src/agents/node');
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
    ['NaN', '{"a": NaN}', /not valid JSON/],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0x22]), /not UTF-8/],
  ])('malformed arguments: %s', (_name, body, message) =>
    node('exports.handler = (args) => args;', async (agent) => {
      const result = await agent.invoke(Buffer.from(body as string));
      expect(result.status).toBe(Status.invalid);
      expect(text(result, 'message')).toMatch(message);
      await kept(agent);
    }),
  );

  test('monkey-patched globals do not reach the agent', () =>
    node(
      misbehaving(
        'JSON.parse = JSON.stringify = () => { throw 1; }; performance.now = null; Buffer.byteLength = Buffer.concat = Buffer.from = null; process.reallyExit = null; process.nextTick = null;\nfor (const n of ["writeSync", "fstatSync"]) require("fs")[n] = null; require("module").syncBuiltinESMExports(); return 7;',
      ),
      async (agent) => {
        expect(value(await agent.invoke({}))).toBe(7);
        await kept(agent);
      },
    ));
});

describe('dies: the supervisor reports it', () => {
  test.each<[string, string, { code: number | null; signal: string | null }]>([
    ['process.reallyExit(9)', 'process.reallyExit(9);', { code: 9, signal: null }],
    ['SIGABRT', 'process.abort();', { code: null, signal: 'SIGABRT' }],
    [
      'SIGSEGV',
      'process.kill(process.pid, "SIGSEGV"); return new Promise(() => {});',
      { code: null, signal: 'SIGSEGV' },
    ],
    [
      'SIGKILL',
      'process.kill(process.pid, "SIGKILL"); return new Promise(() => {});',
      { code: null, signal: 'SIGKILL' },
    ],
    ['closes the connection', 'require("fs").closeSync(3); return 1;', { code: 121, signal: null }],
    [
      'a file at descriptor 3',
      'const fs = require("fs"); fs.closeSync(3); fs.openSync("/dev/null", "w"); return 1;',
      { code: 121, signal: null },
    ],
  ])('%s', (_name, body, end) =>
    node(misbehaving(body), async (agent) => {
      expect(await agent.answer(agent.start({}))).toEqual({ ended: end, garbage: null });
    }),
  );

  test('closes every descriptor', () =>
    node(
      misbehaving('for (let fd = 0; fd < 64; fd++) try { require("fs").closeSync(fd); } catch {} return 1;'),
      async (agent) => {
        const answer = await agent.answer(agent.start({}));
        expect(answer).toHaveProperty('ended');
      },
    ));

  test('writes to every descriptor: garbage on the connection, which ends it', () =>
    node(misbehaving('require("fs").writeSync(3, "garbage".repeat(10)); return 1;'), async (agent) => {
      expect(await agent.answer(agent.start({}))).toHaveProperty(
        'garbage',
        expect.stringContaining('garbage on the connection'),
      );
    }));

  test('an uncaught exception while nothing runs: exit code 70, said in the log', () =>
    node(misbehaving('setTimeout(() => { throw new Error("out of the blue"); }, 20); return 1;'), async (agent) => {
      expect(value(await agent.invoke({}))).toBe(1);
      expect(await agent.exited).toEqual({ code: 70, signal: null });
      expect(agent.log).toContain('out of the blue');
    }));
});

describe('code that cannot be loaded: READY says start_failed, and the process exits', () => {
  test.each<[string, string, Record<string, string>, RegExp, RegExp | null]>([
    [
      'missing module',
      'index:handler',
      { 'index.js': 'console.log("first"); require("nothing-like-this");' },
      /Cannot find module 'nothing-like-this'/,
      /index\.js:1/,
    ],
    [
      'missing module, ESM',
      'index:handler',
      { 'index.mjs': 'import "nothing-like-this";' },
      /Cannot find package 'nothing-like-this'/,
      null,
    ],
    ['syntax error', 'index:handler', { 'index.js': 'exports.handler = (' }, /SyntaxError/, /index\.js:1/],
    ['exception', 'index:handler', { 'index.js': 'null.x;' }, /TypeError/, /index\.js:1/],
    [
      'process.exit',
      'index:handler',
      { 'index.js': 'process.exit(5);' },
      /process\.exit\(5\) while it was loaded/,
      null,
    ],
    [
      'rejection',
      'index:handler',
      { 'index.mjs': 'await Promise.reject(new Error("top level"));' },
      /top level/,
      /index\.mjs:1/,
    ],
    ['no such file', 'nothing:handler', { 'index.js': '' }, /no file "nothing".*index\.js/, null],
    [
      'no such function',
      'index:run',
      { 'index.js': 'exports.handler = () => 1;' },
      /exports no function "run" \(functions there: handler\)/,
      null,
    ],
    [
      'broken package.json',
      'index:handler',
      { 'index.js': 'exports.handler = () => 1;', 'package.json': '{' },
      /package\.json is not JSON/,
      null,
    ],
  ])('%s', (name, entry, files, message, traceback) =>
    withAgent(NODE_AGENT, files, { entry }, async (agent, ready) => {
      expect(ready.status).toBe(Status.startFailed);
      expect(text(ready, 'message')).toMatch(message);
      if (traceback !== null) expect(text(ready, 'traceback')).toMatch(traceback);
      expect(text(ready, 'traceback')).not.toContain('src/agents/node');
      if (name === 'missing module') expect(text(ready, 'stdout')).toBe('first\n');
      expect((await agent.exited).code).toBe(1);
    }),
  );

  test('loading that waits for ever is given up', async () => {
    await using agent = new Agent(NODE_AGENT);
    using code = new CodeFolder({
      'index.mjs':
        'import { writeSync } from "node:fs"; writeSync(1, "in"); setInterval(() => {}, 1000); await new Promise(() => {});',
    });
    const ready = agent.assign({ entry: 'index.mjs:handler', code: code.path });
    await expect.poll(() => agent.log, { timeout: 10_000 }).toBe('in');
    agent.process.kill('SIGUSR2');
    expect((await ready).status).toBe(Status.startFailed);
    expect((await agent.exited).code).toBe(124);
  });
});
