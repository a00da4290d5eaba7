import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { WorkerConfigInput } from '../../../src/index.js';
import type { PushCounters } from '../../../src/telemetry/metrics/metric.js';
import { freePort } from '../../support/free-port.js';
import { CARBON, GraphiteServer } from '../../support/graphite-server.js';
import { InfluxServer } from '../../support/influx-server.js';
import { describeWith } from '../../support/requirement.js';
import { WorkerFixture } from '../../worker/support/worker-fixture.js';

/** Workers that push to real servers, which go away, stand still, and come back. */

type Push = NonNullable<NonNullable<WorkerConfigInput['metrics']>['push']>;

const QUICK = { periodMs: 100, timeoutMs: 500, firstPauseMs: 20, longestPauseMs: 100 };

let fixture: WorkerFixture | null = null;
/** Of the last worker. */
let name = '';
afterEach(async () => {
  await fixture?.[Symbol.asyncDispose]();
  fixture = null;
});

async function worker(push: Push): Promise<WorkerFixture> {
  fixture = await WorkerFixture.start({
    backends: { process: { enabled: false }, simulated: { enabled: true } },
    defaultBackends: ['simulated'],
    metrics: { push: { ...QUICK, ...push } },
  });
  const source = fixture.source('f', { 'simulated.json': '{"create": 1000, "run": 500, "result": {}}' });
  await fixture.worker.register({ name: 'f', source });
  await fixture.worker.invoke('f', {});
  ({ name } = await fixture.worker.status());
  return fixture;
}

/** What the worker says of its only server. */
async function counters(of: WorkerFixture): Promise<Omit<PushCounters, 'sink'>> {
  const text = await (await fetch(`${of.worker.httpUrl}/metrics`)).text();
  const value = (name: string): number =>
    Number(new RegExp(`^iluvatar_push_${name}\\{.*\\} (.*)$`, 'm').exec(text)?.[1]);
  return {
    sent: value('points_sent_total'),
    dropped: value('points_dropped_total'),
    waiting: value('points_waiting'),
    failures: value('failures_total'),
  };
}

/** Invocations are answered, whatever its servers do. */
async function invokes({ worker }: WorkerFixture, times: number): Promise<void> {
  for (let i = 0; i < times; i++) expect((await worker.invoke('f', {})).result).toEqual({});
}

describeWith({ file: [CARBON, '/usr/bin/whisper-fetch'] }, 'a worker that pushes to carbon', () => {
  let graphite: GraphiteServer;
  beforeAll(async () => {
    graphite = await new GraphiteServer({ web: false }).start();
  });
  afterAll(async () => await graphite?.[Symbol.asyncDispose]());

  /** Values of a series in its whisper file, the latest last. */
  function stored(...nodes: string[]): number[] {
    const file = `${join(graphite.whisper, ...nodes)}.wsp`;
    if (!existsSync(file)) return [];
    return execFileSync('/usr/bin/whisper-fetch', ['--drop=nulls', file], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => Number(line.split(/\s+/)[1]));
  }

  it('finds in its files what it has sent', async () => {
    await worker({
      graphite: [{ host: '127.0.0.1', port: graphite.port, prefix: 'faas' }],
      functions: true,
    });
    await expect.poll(() => stored('faas', name, 'worker_state', 'invocations').at(-1), { timeout: 30_000 }).toBe(1);
    await expect.poll(() => stored('faas', name, 'worker_load', 'num_running_funcs').at(-1)).toBe(0);
    await expect.poll(() => stored('faas', name, 'function_load', 'f_1', 'containers').at(-1)).toBe(1);
  });

  it('goes on while it is down, and is heard again when it is back', async () => {
    const one = await worker({ graphite: [{ host: '127.0.0.1', port: graphite.port }], bufferPoints: 4 });
    await expect.poll(async () => (await counters(one)).sent).toBeGreaterThan(0);
    await graphite.kill();
    await expect.poll(async () => (await counters(one)).failures).toBeGreaterThan(1);
    await expect.poll(async () => (await counters(one)).dropped).toBeGreaterThan(0);
    await invokes(one, 5);
    const health = await one.worker.health();
    expect(health.healthy).toBe(true);
    expect(health.notes.join()).toMatch(/points for graphite:\/\/127\.0\.0\.1:\d+ were dropped/);
    const { sent } = await counters(one);
    await graphite.start();
    await expect.poll(async () => (await counters(one)).sent, { timeout: 30_000 }).toBeGreaterThan(sent);
    await expect.poll(async () => (await counters(one)).waiting).toBeLessThan(4);
    await expect
      .poll(() => stored('iluvatar', name, 'worker_state', 'invocations').at(-1), { timeout: 30_000 })
      .toBe(6);
  });
});

describeWith({ command: 'influxd' }, 'a worker that pushes to InfluxDB 1', () => {
  let influx: InfluxServer;
  beforeAll(async () => {
    influx = await new InfluxServer().start();
  });
  afterAll(async () => await influx?.[Symbol.asyncDispose]());

  it('makes its databases, and finds there what the original writes', async () => {
    await worker({ influx: [{ url: influx.url, api: 'v1' }], functions: true, tags: { rack: 'r 1' } });
    await expect
      .poll(() => influx.query('SELECT * FROM worker_load', 'workers').then(({ length }) => length))
      .toBeGreaterThan(1);
    const rows = await influx.query('SELECT * FROM worker_load', 'workers');
    expect(Object.keys(rows.at(-1) ?? {}).sort()).toEqual([
      ...['cpu_loadavg', 'cpu_queue_len', 'cpu_util', 'gpu_loadavg', 'gpu_queue_len', 'host_mem_pct'],
      ...['name', 'node_type', 'num_running_funcs', 'rack', 'time'],
    ]);
    expect(rows.at(-1)).toMatchObject({ name: name, node_type: 'worker', rack: 'r 1', cpu_queue_len: 0 });
    const types = await influx.query('SHOW FIELD KEYS FROM worker_load', 'workers');
    expect(types).toContainEqual({ fieldKey: 'cpu_queue_len', fieldType: 'integer' });
    expect(types).toContainEqual({ fieldKey: 'cpu_util', fieldType: 'float' });
    const kept = await influx.query('SHOW RETENTION POLICIES ON workers');
    expect(kept.find(({ default: chosen }) => chosen)).toMatchObject({ duration: '3h0m0s' });
    await expect
      .poll(() => influx.query('SELECT last(containers) FROM function_load', 'functions').then((found) => found[0]))
      .toMatchObject({ last: 1 });
  });

  it('goes on while it stands still, dies, and comes back, and loses nothing that its buffer holds', async () => {
    const one = await worker({ influx: [{ url: influx.url, api: 'v1', bucket: 'slow' }] });
    await expect.poll(async () => (await counters(one)).sent).toBeGreaterThan(0);
    influx.freeze('SIGSTOP');
    await expect.poll(async () => (await counters(one)).failures).toBeGreaterThan(0);
    await invokes(one, 5);
    influx.freeze('SIGCONT');
    await influx.kill();
    const { failures } = await counters(one);
    await expect.poll(async () => (await counters(one)).failures).toBeGreaterThan(failures + 1);
    await invokes(one, 5);
    const { sent } = await counters(one);
    await influx.start();
    await expect.poll(async () => (await counters(one)).sent, { timeout: 30_000 }).toBeGreaterThan(sent);
    await expect.poll(async () => (await counters(one)).waiting).toBeLessThan(4);
    const now = await counters(one);
    expect(now.dropped).toBe(0);
    // A batch that was under way may be there twice, and then is the same point.
    const [{ count } = { count: 0 }] = await influx.query('SELECT count(cpu_queue_len) FROM worker_load', 'slow');
    expect(Number(count)).toBeGreaterThanOrEqual(now.sent / 2);
  });

  it('is told of by an error when the server refuses, and gives up those points only', async () => {
    await influx.query('CREATE DATABASE typed');
    await fetch(`${influx.url}/write?db=typed`, { method: 'POST', body: 'worker_load cpu_queue_len="text"' });
    const one = await worker({ influx: [{ url: influx.url, api: 'v1', bucket: 'typed' }] });
    await expect.poll(async () => (await counters(one)).dropped).toBeGreaterThan(0);
    const { tasks } = await one.worker.health();
    expect(tasks.find((task) => task.name.startsWith('push to influx'))?.lastError).toMatch(/field type conflict/);
    await invokes(one, 2);
  });
});

/** What InfluxDB 1.6 has not: the requests of version 2 are read here as its documentation has them. */
describe('a worker that pushes to InfluxDB 2', () => {
  let server: Server;
  let url: string;
  const buckets = new Map<string, unknown>();
  const written: { bucket: string; org: string; precision: string; token: string; lines: string[] }[] = [];
  beforeAll(async () => {
    server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      const { pathname, searchParams: query } = new URL(request.url ?? '', 'http://x');
      const answer = (status: number, value?: unknown): void => {
        response
          .writeHead(status, { 'content-type': 'application/json' })
          .end(value === undefined ? '' : JSON.stringify(value));
      };
      const route = `${request.method} ${pathname}`;
      if (request.headers.authorization !== 'Token secret') return answer(401, { message: 'unauthorized' });
      if (route === 'GET /api/v2/orgs') return answer(200, { orgs: [{ id: '0a', name: query.get('org') }] });
      if (route === 'POST /api/v2/buckets') {
        const bucket = JSON.parse(body) as { name: string };
        buckets.set(bucket.name, bucket);
        return answer(201, bucket);
      }
      if (route !== 'POST /api/v2/write') return answer(404, { code: 'not found', message: 'path not found' });
      const bucket = query.get('bucket') ?? '';
      if (!buckets.has(bucket)) return answer(404, { code: 'not found', message: 'bucket not found' });
      const { org = '', precision = '' } = Object.fromEntries(query);
      written.push({ bucket, org, precision, token: 'secret', lines: body.trim().split('\n') });
      answer(204);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  });
  afterAll(() => {
    server.close();
    server.closeAllConnections();
  });

  it('makes the buckets of the original when they are missing, anew when somebody takes them away, and writes to them', async () => {
    const one = await worker({ influx: [{ url, org: 'lab', token: 'secret' }], functions: true });
    await expect
      .poll(() => written.map(({ bucket }) => bucket))
      .toEqual(expect.arrayContaining(['workers', 'functions']));
    expect(buckets.get('workers')).toEqual({
      orgID: '0a',
      name: 'workers',
      retentionRules: [{ type: 'expire', everySeconds: 10_800 }],
    });
    const first = written.find(({ bucket }) => bucket === 'workers');
    expect(first).toMatchObject({ org: 'lab', precision: 'ms' });
    expect(first?.lines[0]).toMatch(new RegExp(`^worker_load,name=${name},node_type=worker cpu_loadavg=`));
    buckets.clear();
    const { length } = written;
    await expect.poll(() => written.length).toBeGreaterThan(length + 1);
    expect([...buckets.keys()].sort()).toEqual(['functions', 'workers']);
    expect((await counters(one)).dropped).toBe(0);
  });

  it('says what the server says, without the token, and asks a server that is not there no more often than it may', async () => {
    const one = await worker({
      influx: [{ url, org: 'lab', token: 'wrong' }, { url: `http://127.0.0.1:${await freePort()}` }],
    });
    const pushes = async () => (await one.worker.health()).tasks.filter((task) => task.name.startsWith('push to'));
    await expect.poll(async () => (await pushes()).every(({ restarts }) => restarts > 1)).toBe(true);
    const [refused, absent] = await pushes();
    expect(refused?.lastError).toMatch(/answered 401.*unauthorized/);
    expect(absent?.lastError).toMatch(/cannot be reached: .*ECONNREFUSED/);
    expect(JSON.stringify(await one.worker.health())).not.toContain('wrong');
    await invokes(one, 3);
  });
});
