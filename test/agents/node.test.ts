import { describe, expect, test } from 'vitest';
import {
  Agent,
  CodeFolder,
  encodeFrame,
  isFrame,
  NODE_AGENT,
  Status,
  Type,
  text,
  value,
  withAgent,
} from './harness.js';
import { kept, misbehaving, node } from './node-function.js';

describe('what works', () => {
  test('arguments, results and phase times', () =>
    node('exports.handler = (args) => args;', async (agent, ready) => {
      expect(ready.status).toBe(Status.ok);
      expect(ready.x0).toBeGreaterThan(0);
      expect(value(await agent.invoke(undefined))).toEqual({});
      for (const sample of [{ a: [1, 2.5, null, true, 'é😀\ufffd'] }, [1, 2], 'text', 3, null, { '': '' }]) {
        const result = await agent.invoke(sample);
        expect([result.status, value(result), result.meta]).toEqual([Status.ok, sample, {}]);
      }
    }));

  test.each<[string, Record<string, string>]>([
    ['index:handler', { 'index.js': 'exports.handler = () => "here";' }],
    ['index.js', { 'index.js': 'exports.handler = () => "here";' }],
    ['', { 'index.js': 'exports.main = () => "here";' }],
    ['index:handler', { 'index.js': 'module.exports = () => "here";' }],
    ['index:handler', { 'index.js': 'exports.word = "here"; exports.handler = function () { return this.word; };' }],
    ['index.mjs:handler', { 'index.mjs': 'export const handler = () => "here";' }],
    ['index:handler', { 'index.mjs': 'export default async () => "here";' }],
    [
      'index:handler',
      {
        'package.json': '{"type":"module"}',
        'index.js': 'import { x } from "./x.js"; export const handler = () => x;',
        'x.js': 'export const x = "here";',
      },
    ],
    ['index:handler', { 'index.js': 'const x = await Promise.resolve("here"); export const handler = () => x;' }],
    [
      'lib/app.cjs:run',
      { 'lib/app.cjs': 'exports.run = () => require("./near").x;', 'lib/near.js': 'exports.x = "here";' },
    ],
  ])('entry %s of %o', (entry, files) =>
    withAgent(NODE_AGENT, files, { entry }, async (agent, ready) => {
      expect([ready.status, ready.meta]).toEqual([Status.ok, {}]);
      expect(value(await agent.invoke({}))).toBe('here');
    }),
  );

  test('async functions are awaited; timers run between invocations', () =>
    node(
      'let ticks = 0; setInterval(() => ticks++, 1);\nexports.handler = async (args) => { await new Promise((r) => setTimeout(r, 5)); return ticks; };',
      async (agent) => {
        const first = value(await agent.invoke({})) as number;
        await new Promise((resolve) => setTimeout(resolve, 100));
        expect(value(await agent.invoke({}))).toBeGreaterThan(first + 5);
      },
    ));

  test('undefined is null, and environment and layers are there', async () => {
    using layer = new CodeFolder({ 'node_modules/from-layer/index.js': 'module.exports = 41;' });
    await node(
      'const x = require("from-layer");\nexports.handler = (a) => a.nothing ? undefined : [process.env.GREETING, x, process.cwd() === __dirname, "ILUVATAR_TOKEN" in process.env];',
      async (agent) => {
        expect(value(await agent.invoke({}))).toEqual(['hi', 41, true, false]);
        expect(value(await agent.invoke({ nothing: 1 }))).toBe(null);
      },
      { layers: [layer.path], env: { GREETING: 'hi' } },
    );
  });

  test('a body of 64 MiB goes in and out', () =>
    node('exports.handler = (args) => args.data;', async (agent) => {
      const data = 'x'.repeat(64 * 1024 * 1024 - 2);
      const result = await agent.invoke({ data });
      expect([result.status, result.body.length]).toEqual([Status.ok, 64 * 1024 * 1024]);
      expect(result.body.equals(Buffer.from(`"${data}"`))).toBe(true);
    }));

  test('split and merged frames, PING', () =>
    node('exports.handler = (args) => args;', async (agent) => {
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
    await using agent = new Agent(NODE_AGENT);
    const hello = isFrame(await agent.take((frame) => frame.type === Type.hello));
    expect([hello.x0, hello.x1]).toEqual([1, 1]);
    expect(hello.meta).toMatchObject({ role: 'agent', container: 'w/c1', token: 'secret' });
    using code = new CodeFolder({ 'index.js': 'setInterval(() => {}, 1000); exports.handler = (a) => a;' });
    expect((await agent.assign({ entry: 'index.js:handler', code: code.path })).status).toBe(Status.ok);
    agent.endConnection();
    expect(await agent.exited).toEqual({ code: 0, signal: null });
  });

  test('a version that does not overlap is refused by name', async () => {
    await using agent = new Agent(NODE_AGENT);
    using code = new CodeFolder({ 'index.js': 'exports.handler = (a) => a;' });
    agent.send(encodeFrame(Type.hello, 0, [9, 8, 0], '{"role":"worker"}', ''));
    void agent.assign({ entry: 'index.js:handler', code: code.path }).catch(() => {});
    const error = isFrame(await agent.take((frame) => frame.type === Type.error));
    expect(error.meta['code']).toBe('ERR_PROTOCOL_VERSION');
    expect((await agent.exited).code).toBe(70);
  });
});

describe('output', () => {
  test('is captured per invocation, both streams, also after they were ended', () =>
    node(
      misbehaving(
        'console.log("out %d", args.n); console.error("err"); process.stdout.write("raw\\n"); return new Promise((r) => process.stdout.end("last", () => r(1)));',
      ),
      async (agent) => {
        for (const n of [1, 2]) {
          const result = await agent.invoke({ n });
          expect(result.meta).toEqual({ stdout: `out ${n}\nraw\nlast`, stderr: 'err\n' });
          expect(result.flags & 4).toBe(0);
        }
        expect((await agent.invoke({ probe: 1 })).meta).toEqual({});
        expect(agent.log).toBe('');
      },
    ));

  test('10 MB are bounded and marked', () =>
    node(
      misbehaving('for (let i = 0; i < 10000; i++) console.log("x".repeat(999)); return 1;'),
      async (agent) => {
        const result = await agent.invoke({});
        expect([result.status, result.flags & 4, text(result, 'stdout').length]).toEqual([Status.ok, 4, 5000]);
        await kept(agent);
      },
      { outputBytes: 5000 },
    ));

  test('of child processes, of loading, and between invocations goes to the log', () =>
    node(
      `console.log("loading");\n${misbehaving('require("child_process").spawnSync("echo", ["child"], { stdio: "inherit" }); setTimeout(() => console.log("late"), 50); return 1;')}`,
      async (agent) => {
        expect((await agent.invoke({})).meta).toEqual({});
        await expect.poll(() => agent.log, { timeout: 10_000 }).toBe('loading\nchild\nlate\n');
        await kept(agent);
      },
    ));
});

describe('workers, children, cancelling, several at once', () => {
  test('worker threads and child processes do not answer', () =>
    withAgent(
      NODE_AGENT,
      {
        'index.js':
          'const { Worker } = require("worker_threads"); const { fork } = require("child_process");\nexports.handler = (a) => a.probe ? a : Promise.all([new Promise((r) => new Worker(__dirname + "/w.js").on("exit", r)), new Promise((r) => fork(__dirname + "/w.js").on("exit", r))]);',
        'w.js': 'process.exit(6);',
      },
      { entry: 'index.js:handler' },
      async (agent) => {
        expect(value(await agent.invoke({}))).toEqual([6, 6]);
        await kept(agent);
      },
    ));

  test('cancelled while it waits', () =>
    node(misbehaving('console.log("going in"); return new Promise(() => {});'), async (agent) => {
      const id = agent.start({}, 100);
      await new Promise((resolve) => setTimeout(resolve, 300));
      agent.process.kill('SIGUSR2');
      const result = isFrame(await agent.answer(id));
      expect([result.status, text(result, 'stdout')]).toEqual([Status.timeout, 'going in\n']);
      expect(await agent.exited).toEqual({ code: 124, signal: null });
    }));

  const SEVERAL =
    'let waiting = [];\nexports.handler = async (args) => { console.log("call", args.n); await new Promise((r) => { if (args.hang) return; waiting.push(r); if (waiting.length === 4) waiting.forEach((go) => go()); }); console.log("after", args.n); if (args.n === 2) throw new Error("two"); return args.n; };';

  test('run together, each with its own answer and output', () =>
    node(
      SEVERAL,
      async (agent) => {
        const ids = [0, 1, 2, 3].map((n) => agent.start({ n }));
        const results = await Promise.all(ids.map(async (id) => isFrame(await agent.answer(id))));
        expect(results.map((result) => result.status)).toEqual([0, 0, Status.userError, 0]);
        expect(results.map((result) => text(result, 'stdout'))).toEqual(
          [0, 1, 2, 3].map((n) => `call ${n}\nafter ${n}\n`),
        );
      },
      { concurrency: 4 },
    ));

  test('a time-out of one answers all: `timeout` for it, `unavailable` for the rest', () =>
    node(
      SEVERAL,
      async (agent) => {
        const overdue = agent.start({ n: 0, hang: 1 }, 100);
        const other = agent.start({ n: 1, hang: 1 }, 60_000);
        await new Promise((resolve) => setTimeout(resolve, 400));
        agent.process.kill('SIGUSR2');
        expect(isFrame(await agent.answer(overdue)).status).toBe(Status.timeout);
        expect(isFrame(await agent.answer(other)).status).toBe(Status.unavailable);
        expect((await agent.exited).code).toBe(124);
      },
      { concurrency: 4 },
    ));
});
