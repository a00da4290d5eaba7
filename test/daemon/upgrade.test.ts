import { readFileSync, rmSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { UPGRADE_FAILPOINTS } from '../../src/failpoints.js';
import { type Client, connect } from '../../src/index.js';
import { describeWith } from '../support/requirement.js';
import { BIN, WorkerProcesses } from './support/worker-process.js';

const PATIENCE = { timeout: 60_000, interval: 50 };
const CLIENTS = 32;
const UPGRADES = 20;

/** Says who it is: a container that was made anew would begin with 1 again. */
const COUNTER = `
import time
calls = 0
def main(args):
    global calls
    calls += 1
    time.sleep(args.get("sleep", 0))
    return {"calls": calls, "n": args.get("n")}
`;

vi.setConfig({ testTimeout: 600_000 });

interface Counted {
  calls: number;
  n: number;
}

async function pidOf(workers: WorkerProcesses): Promise<number> {
  await using client = await workers.client();
  return (await client.ping()).pid;
}

/** Stops whoever serves now; the process that the test started has ended long before. */
async function stopped(workers: WorkerProcesses): Promise<void> {
  expect(await workers.run('stop')).toMatchObject({ code: 0 });
}

async function registerCounter(workers: WorkerProcesses, client: Client, concurrency = 1): Promise<void> {
  workers.write('counter/main.py', COUNTER);
  await client.register({ name: 'counter', source: workers.path('counter'), memoryMb: 64, concurrency });
}

/** Calls until it is told to stop; each call must be answered, with its own answer. */
async function load(call: (n: number) => Promise<Counted>, done: () => boolean): Promise<number> {
  let calls = 0;
  while (!done()) {
    const n = Math.floor(Math.random() * 1e9);
    expect((await call(n)).n).toBe(n);
    calls++;
  }
  return calls;
}

function overHttp(url: string, agent: Agent): (n: number) => Promise<Counted> {
  return (n) =>
    new Promise((resolve, reject) => {
      const body = JSON.stringify({ n });
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const call = httpRequest(`${url}/functions/counter/invoke`, { method: 'POST', agent, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (response.statusCode === 200) resolve(JSON.parse(text) as Counted);
          else reject(new Error(`${response.statusCode}: ${text}`));
        });
      });
      call.on('error', reject);
      call.end(body);
    });
}

describeWith({ root: true, cgroups: true }, 'a worker whose process is replaced', () => {
  it(`answers ${CLIENTS} clients through ${UPGRADES} upgrades, on the connections that they have, with the containers that were warm`, async () => {
    await using workers = new WorkerProcesses();
    const first = await workers.start(['--pid-file', workers.path('pid')]);
    const url = /http:\/\/[\d.:]+/.exec(first.stdout)?.[0] as string;
    const clients = await Promise.all(Array.from({ length: CLIENTS / 2 }, () => connect(workers.socket)));
    const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS / 2 });
    await registerCounter(workers, clients[0] as Client);
    let over = false;
    const callers = [
      ...clients.map((client) =>
        load(
          async (n) => (await client.invoke<Counted>('counter', { n })).result,
          () => over,
        ),
      ),
      ...clients.map(() => load(overHttp(url, agent), () => over)),
    ];
    const accepted = new Map<string, number>();
    const submitter = (async () => {
      await using client = await workers.client();
      for (let n = 1; !over; n++) {
        accepted.set(await client.invokeAsync('counter', { n }), n);
        await pause(20);
      }
    })();
    const loaded = Promise.all([...callers, submitter]);
    // Awaited at the end: a failure before that must not count as one that nobody hears of, but must end the test.
    let failure: unknown = null;
    loaded.catch((error: unknown) => {
      failure = error;
    });
    const pids = new Set([first.pid]);
    for (let i = 0; i < UPGRADES && failure === null; i++) {
      const before = await pidOf(workers);
      const upgraded = await workers.run('upgrade', '--json');
      expect(upgraded, upgraded.stderr).toMatchObject({ code: 0 });
      const { pid } = JSON.parse(upgraded.stdout) as { pid: number };
      expect(pids.has(pid)).toBe(false);
      expect(await pidOf(workers)).toBe(pid);
      expect(Number(readFileSync(workers.path('pid'), 'utf8'))).toBe(pid);
      await vi.waitFor(() => expect(() => process.kill(before, 0)).toThrow('ESRCH'), PATIENCE);
      pids.add(pid);
    }
    over = true;
    await loaded;
    await using client = await workers.client();
    const { counters } = await client.status();
    expect(counters['containersAdopted']).toBeGreaterThan(0);
    expect(counters['cold']).toBe(0);
    for (const [id, n] of accepted) {
      expect(await client.result(id, { waitMs: 60_000 })).toMatchObject({ status: 'done', result: { result: { n } } });
    }
    agent.destroy();
    for (const each of clients) each.close();
    await stopped(workers);
  });

  it('goes on when the new one refuses its configuration, ends, or does not come up, and its clients notice nothing', async () => {
    await using workers = new WorkerProcesses();
    const program = workers.write('bin/worker.mjs', `await import(${JSON.stringify(BIN)});\n`);
    const worker = workers.spawn(['--set', 'daemon.upgrade.readyMs=3000'], {}, [process.execPath, program, 'worker']);
    await worker.ready();
    await using client = await workers.client();
    await registerCounter(workers, client);
    expect((await client.invoke<Counted>('counter')).result.calls).toBe(1);
    const go = `process.on('message', (m) => { if (m.type === 'go') { FAULT } }); process.send({ type: 'standing by' }); setInterval(() => {}, 1000);`;
    const faults: [code: string, why: RegExp][] = [
      ['process.exit(9);', /exit code 9/],
      [
        `process.send({ type: 'failed', error: { errorClass: 'invalid', message: 'no such option', details: {} } });`,
        /no such option/,
      ],
      [go.replace('FAULT', 'process.exit(8);'), /exit code 8/],
      [go.replace('FAULT', `process.kill(process.pid, 'SIGKILL');`), /SIGKILL/],
      [go.replace('FAULT', ''), /not serving within 3000 ms/],
    ];
    let calls = 1;
    for (const [code, why] of faults) {
      workers.write('bin/worker.mjs', code);
      const upgraded = await workers.run('upgrade');
      expect(upgraded.code).not.toBe(0);
      expect(upgraded.stderr).toMatch(why);
      expect((await client.ping()).pid).toBe(worker.pid);
      expect(await client.invoke<Counted>('counter')).toMatchObject({
        result: { calls: ++calls },
        containerState: 'warm',
      });
    }
    workers.write('bin/worker.mjs', `await import(${JSON.stringify(BIN)});\n`);
    expect(await workers.run('upgrade')).toMatchObject({ code: 0 });
    expect((await client.ping()).pid).not.toBe(worker.pid);
    expect(await client.invoke<Counted>('counter')).toMatchObject({ result: { calls: ++calls } });
    await stopped(workers);
  });

  it('is not replaced while something runs for too long, and loses none of it', async () => {
    await using workers = new WorkerProcesses();
    const worker = await workers.start();
    await using client = await workers.client();
    await registerCounter(workers, client);
    const long = client.invoke<Counted>('counter', { sleep: 4, n: 7 });
    await vi.waitFor(async () => expect((await client.status()).memory.runningContainers).toBe(1), PATIENCE);
    const upgraded = await workers.run('upgrade', '--drain', '1s');
    expect(upgraded.code).not.toBe(0);
    expect(upgraded.stderr).toContain('had not ended after 1000 ms');
    expect((await long).result).toMatchObject({ n: 7 });
    expect((await client.ping()).pid).toBe(worker.pid);
    // Who has more patience waits for it.
    const another = client.invoke<Counted>('counter', { sleep: 3, n: 8 });
    await vi.waitFor(async () => expect((await client.status()).memory.runningContainers).toBe(1), PATIENCE);
    expect(await workers.run('upgrade', '--drain', '30s')).toMatchObject({ code: 0 });
    expect((await another).result).toMatchObject({ n: 8 });
    expect((await client.invoke<Counted>('counter', { n: 9 })).result).toMatchObject({ calls: 3, n: 9 });
    await stopped(workers);
  });

  it.each(UPGRADE_FAILPOINTS)('that dies on the way, at %s, leaves everything to the next start', async (at) => {
    await using workers = new WorkerProcesses();
    const worker = await workers.start([], { ILUVATAR_FAILPOINT: at });
    const client = await workers.client();
    await registerCounter(workers, client);
    expect((await client.invoke<Counted>('counter')).result.calls).toBe(1);
    await client.upgrade();
    // With it ends the one that stood by.
    expect(await worker.ended).toMatchObject({ signal: 'SIGKILL' });
    await workers.start();
    await using again = await workers.client();
    expect(await again.invoke<Counted>('counter')).toMatchObject({ result: { calls: 2 }, containerState: 'warm' });
    client.close();
  });

  it('takes on what needs a restart', async () => {
    await using workers = new WorkerProcesses();
    const config = workers.write('worker.json', JSON.stringify({ cpu: { slots: 2 } }));
    await workers.start(['--config', config]);
    await using client = await workers.client();
    expect((await client.status()).cpu.slots).toBe(2);
    workers.write('worker.json', JSON.stringify({ cpu: { slots: 5 } }));
    expect(await workers.run('upgrade')).toMatchObject({ code: 0 });
    expect((await client.status()).cpu.slots).toBe(5);
    rmSync(config);
    const refused = await workers.run('upgrade');
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('worker.json');
    expect((await client.status()).cpu.slots).toBe(5);
    await stopped(workers);
  });
});
