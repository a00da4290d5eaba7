import { createConnection } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Worker } from '../../src/index.js';
import { rejection, WorkerFixture } from './support/worker-fixture.js';

const HELLO = 'def main(args):\n    return "hello"\n';

describe('bad input gets a clear error, and nothing is lost or leaked', () => {
  let fixture: WorkerFixture;
  let worker: Worker;

  beforeAll(async () => {
    fixture = await WorkerFixture.start({ queue: { limit: 4 }, limits: { memoryMaxMb: 512, cpusMax: 2 } });
    worker = fixture.worker;
  });
  afterAll(async () => await fixture?.[Symbol.asyncDispose]());

  it.each([
    ['an empty name', { name: '' }],
    ['a name with a slash', { name: 'a/b' }],
    ['a name that is a path', { name: '../x' }],
    ['a version with an @', { version: 'a@b' }],
    ['no memory', { memoryMb: 0 }],
    ['more memory than is allowed', { memoryMb: 100_000 }],
    ['a fraction of a megabyte', { memoryMb: 1.5 }],
    ['more CPUs than are allowed', { cpus: 3 }],
    ['negative CPUs', { cpus: -1 }],
    ['an unknown backend', { backends: ['nowhere'] }],
    ['a source that is not there', { source: '/nonexistent/source' }],
    ['an unknown key', { memory: 128 }],
    ['a bad variable name', { env: { 'a=b': 'c' } }],
  ])('%s is refused as invalid', async (_what, wrong) => {
    const source = fixture.source('hello', { 'main.py': HELLO });
    const error = await rejection(worker.register({ name: 'refused', source, ...wrong } as never));
    expect(error.errorClass).toBe('invalid');
    expect(await worker.list()).toEqual([]);
  });

  it('a function that can never fit is refused at registration, not left to block the queue', async () => {
    await using small = await WorkerFixture.start({
      memory: { budgetMb: 64 },
      cpu: { slots: 1 },
      http: { enabled: false },
    });
    const source = small.source('big', { 'main.py': HELLO });
    expect((await rejection(small.worker.register({ name: 'big', source, memoryMb: 65 }))).errorClass).toBe('invalid');
    expect((await rejection(small.worker.register({ name: 'big', source, memoryMb: 64, cpus: 2 }))).errorClass).toBe(
      'invalid',
    );
  });

  it('registering the same content again is fine; other content is a conflict unless it replaces', async () => {
    const first = fixture.source('same-1', { 'main.py': HELLO });
    const copy = fixture.source('same-2', { 'main.py': HELLO });
    const other = fixture.source('other', { 'main.py': 'def main(args):\n    return "other"\n' });
    const registered = await worker.register({ name: 'same', source: first });
    expect((await worker.register({ name: 'same', source: copy })).digest).toBe(registered.digest);
    expect((await worker.invoke('same')).result).toBe('hello');
    expect((await rejection(worker.register({ name: 'same', source: other }))).errorClass).toBe('conflict');
    expect((await rejection(worker.register({ name: 'same', source: copy, memoryMb: 256 }))).errorClass).toBe(
      'conflict',
    );
    await worker.register({ name: 'same', source: other }, { replace: true });
    expect((await worker.invoke('same')).result).toBe('other');
    await worker.unregister('same');
  });

  it('of two registrations of one name at once, one wins and the other hears of it', async () => {
    const sources = ['one', 'two'].map((text) =>
      fixture.source(text, { 'main.py': `def main(args):\n    return "${text}"\n` }),
    );
    const outcomes = await Promise.allSettled(sources.map((source) => worker.register({ name: 'raced', source })));
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const winner = outcomes.findIndex(({ status }) => status === 'fulfilled');
    expect((await worker.invoke('raced')).result).toBe(['one', 'two'][winner]);
    await worker.unregister('raced');
  });

  it('names that look alike when joined stay two functions', async () => {
    await fixture.python('a-b', 'def main(args):\n    return "first"\n', { version: 'c' });
    await worker.register({
      name: 'a',
      version: 'b-c',
      source: fixture.source('second', { 'main.py': 'def main(args):\n    return "second"\n' }),
    });
    expect((await worker.invoke('a-b', {}, { version: 'c' })).result).toBe('first');
    expect((await worker.invoke('a', {}, { version: 'b-c' })).result).toBe('second');
    await worker.unregister('a-b', 'c');
    await worker.unregister('a', 'b-c');
  });

  it('arguments that are not JSON are answered invalid by the function’s agent', async () => {
    await fixture.python('hello', HELLO);
    const url = `${worker.httpUrl}/functions/hello/1/invoke`;
    const response = await fetch(url, { method: 'POST', body: '{"n":' });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errorClass: 'invalid' });
    expect((await worker.invoke('hello')).containerState).toBe('warm');
  });

  it('a full queue answers overloaded with a hint, and nothing accepted is lost', async () => {
    await fixture.python('slow', 'import time\ndef main(args):\n    time.sleep(0.3)\n    return args["n"]\n', {
      maxContainers: 1,
      queueLimit: 2,
    });
    const calls = Array.from({ length: 6 }, (_, n) => worker.invoke('slow', { n }));
    const outcomes = await Promise.allSettled(calls);
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => reason);
    expect(refused.length).toBeGreaterThan(0);
    for (const error of refused) {
      expect(error.errorClass).toBe('overloaded');
      expect(error.details.retryAfterMs).toBeGreaterThan(0);
    }
    expect(outcomes.length - refused.length).toBe(3);
  });

  it('a connection cut at any moment leaves no invocation and no payload behind', async () => {
    const request = 'POST /functions/hello/1/invoke HTTP/1.1\r\nhost: x\r\ncontent-length: 7\r\n\r\n{"n":1}';
    const port = Number(new URL(worker.httpUrl as string).port);
    for (let cut = 1; cut <= request.length; cut += 3) {
      await new Promise<void>((resolve) => {
        const socket = createConnection({ host: '127.0.0.1', port }, () => {
          socket.write(request.slice(0, cut), () => socket.destroy());
        });
        socket.on('close', () => resolve());
        socket.on('error', () => resolve());
      });
    }
    await expect.poll(async () => (await worker.status()).counters.payloadsLive).toBe(0);
    expect((await worker.invoke('hello')).result).toBe('hello');
    await expect.poll(async () => (await worker.status()).memory.runningContainers).toBe(0);
  });

  it('a second worker on the same port or socket says so', async () => {
    const port = Number(new URL(worker.httpUrl as string).port);
    const taken = await rejection(WorkerFixture.start({ http: { port } }));
    expect(taken.message).toContain(`${port}`);
    const socket = await rejection(WorkerFixture.start({ socket: worker.socketPath }));
    expect(socket.message).toContain(worker.socketPath);
    expect((await worker.invoke('hello')).result).toBe('hello');
  });

  it('an unknown configuration key is refused', async () => {
    expect((await rejection(Worker.start({ portt: 1 } as never))).errorClass).toBe('invalid');
  });
});
