import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { EXIT } from '../../../src/cli/exit-codes.js';
import { Experiment } from '../../../src/results/experiment.js';
import { readSeries } from '../../../src/results/series.js';
import { readSeriesJoin } from '../../../src/results/series-join.js';
import { SummaryBuilder } from '../../../src/results/summary.js';
import { type FetchRecord, fetchForRun, type RunWindow } from '../../../src/telemetry/series/fetch-run.js';
import { openSource } from '../../../src/telemetry/series/open-source.js';
import { iluvatar } from '../../cli/run.js';
import { loadRow } from '../../results/support/rows.js';
import { freePort } from '../../support/free-port.js';
import { CARBON, GRAPHITE_WEB, GraphiteServer } from '../../support/graphite-server.js';
import { InfluxServer } from '../../support/influx-server.js';
import { PrometheusServer } from '../../support/prometheus-server.js';
import { describeWith } from '../../support/requirement.js';
import { WorkerFixture } from '../../worker/support/worker-fixture.js';

/** Series of a run's window, out of real servers that a worker was read by and has pushed to. */

const signal = new AbortController().signal;
const selection = { series: [], stepMs: 1000 };
const PUSH_MS = 200;

describeWith(
  { command: ['prometheus', 'influxd'], file: [CARBON, GRAPHITE_WEB] },
  'series of a run, from real servers',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-series-'));
    let graphite: GraphiteServer;
    let influx: InfluxServer;
    let prometheus: PrometheusServer;
    let fixture: WorkerFixture;
    let worker: string;
    let run: RunWindow;
    let experiment: Experiment;

    beforeAll(async () => {
      [graphite, influx] = await Promise.all([new GraphiteServer({ web: true }).start(), new InfluxServer().start()]);
      fixture = await WorkerFixture.start({
        backends: { process: { enabled: false }, simulated: { enabled: true } },
        defaultBackends: ['simulated'],
        metrics: {
          push: {
            periodMs: PUSH_MS,
            graphite: [{ host: '127.0.0.1', port: graphite.port }],
            influx: [{ url: influx.url, api: 'v1' }],
          },
        },
      });
      worker = (await fixture.worker.status()).name;
      const source = fixture.source('f', { 'simulated.json': '{"create": 1000, "run": 500, "result": {}}' });
      await fixture.worker.register({ name: 'f', source });
      prometheus = await new PrometheusServer([new URL(fixture.worker.httpUrl as string).host]).start();
      await vi.waitFor(async () => expect((await prometheus.query('sum(up)'))[0]?.value[1]).toBe('1'), 30_000);
      experiment = Experiment.create(join(folder, 'run'), {
        kind: 'run',
        seed: 1,
        targets: ['worker'],
        run: {},
        commandLine: [],
      });
      experiment.begin();
      const rows = await experiment.openRows();
      const begin = performance.now();
      // Until each server has seen at least two moments of it: Prometheus looks once a second.
      const counted = `count_over_time(iluvatar_functions[1h])`;
      const before = Number((await prometheus.query(counted))[0]?.value[1]);
      while (Number((await prometheus.query(counted))[0]?.value[1]) < before + 2) {
        await fixture.worker.invoke('f', {});
        const arrivalUs = Math.round((performance.now() - begin) * 1000);
        rows.row(loadRow({ arrivalUs, worker, endUs: arrivalUs + 900 }));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await rows.end();
      experiment.end({ state: 'finished', summary: new SummaryBuilder({}).summary() });
      run = { beginUnixUs: experiment.facts.begin.unixUs, endUnixUs: experiment.facts.end?.unixUs as number };
      // What happens after it must not be in it.
      await new Promise((resolve) => setTimeout(resolve, 3 * PUSH_MS));
    });
    afterAll(async () => {
      await prometheus?.[Symbol.asyncDispose]();
      await fixture?.[Symbol.asyncDispose]();
      await graphite?.[Symbol.asyncDispose]();
      await influx?.[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    });

    async function fetched(address: string, name: string, series: readonly string[] = []) {
      const options = { folder: join(folder, name), selection: { ...selection, series }, signal };
      const record = await fetchForRun(openSource(address), run, options);
      const all = await readSeries([join(folder, name, record.file)]);
      const durationUs = run.endUnixUs - run.beginUnixUs;
      for (const { timeUs } of all.flatMap(({ points }) => points)) {
        expect(timeUs).toBeGreaterThanOrEqual(0);
        expect(timeUs).toBeLessThanOrEqual(durationUs);
      }
      const { sourceClock } = record;
      // The same machine, and so the same clock.
      expect(Math.abs(sourceClock.offsetMs)).toBeLessThanOrEqual(sourceClock.uncertaintyMs + 2);
      const of = (series: string) => all.find((one) => one.series === series && one.worker === worker)?.points ?? [];
      return { record, all, of };
    }

    it('come from Graphite', async () => {
      const { record, of } = await fetched(graphite.url.replace('http:', 'graphite:'), 'graphite');
      expect(record.sourceClock.uncertaintyMs).toBeLessThan(500);
      const values = of('worker_state.invocations').map(({ value }) => value);
      expect(values.length).toBeGreaterThan(0);
      expect(values).toEqual([...values].sort((a, b) => a - b));
      expect(of('worker_load.cpu_util').length).toBeGreaterThan(0);
      const custom = await fetched(graphite.url.replace('http:', 'graphite:'), 'graphite-custom', [
        `scale(iluvatar.${worker}.worker_state.functions, 10)`,
      ]);
      expect(custom.all).toMatchObject([{ worker: '', series: expect.stringContaining('scale(') }]);
      expect(custom.all[0]?.points[0]?.value).toBe(10);
    });

    it('come from Prometheus: samples with their own times, and what it computes', async () => {
      const address = prometheus.url.replace('http:', 'prometheus+http:');
      const { record, of } = await fetched(address, 'prometheus');
      expect(record.sourceClock).toMatchObject({ method: expect.stringContaining('time()') });
      // Two looks of a second, and perhaps the one that the run began with.
      expect(of('iluvatar_queue_length').length).toBeGreaterThanOrEqual(2);
      expect(of('iluvatar_queue_length').length).toBeLessThan((run.endUnixUs - run.beginUnixUs) / 1e6 + 2);
      const total = of('iluvatar_events_total{event="warm"}').map(({ value }) => value);
      expect(total.at(-1)).toBeGreaterThan(total[0] as number);
      const computed = await fetched(address, 'prometheus-computed', ['sum by (instance) (iluvatar_memory_bytes)']);
      expect(computed.all).toMatchObject([{ worker, series: 'sum by (instance) (iluvatar_memory_bytes)' }]);
      await expect(fetched(address, 'wrong', ['sum('])).rejects.toMatchObject({ errorClass: 'invalid' });
      expect(existsSync(join(folder, 'wrong'))).toBe(false);
    });

    it('come from InfluxDB 1', async () => {
      const address = `${influx.url.replace('http:', 'influx+http:')}/workers`;
      const { of } = await fetched(address, 'influx');
      const points = of('worker_load.host_mem_pct');
      // Every period has one, give or take those at the ends.
      expect(points.length).toBeGreaterThan((run.endUnixUs - run.beginUnixUs) / 1000 / PUSH_MS / 4);
      expect(of('worker_load.name')).toEqual([]);
      const one = await fetched(address, 'influx-one', ['worker_state.invocations']);
      expect(one.all.map(({ series }) => series)).toEqual(['worker_state.invocations']);
      await expect(fetched(`${address}x`, 'none')).rejects.toMatchObject({
        errorClass: expect.stringMatching(/invalid|not_found/),
      });
    });

    it('join the rows of the run by time and worker', async () => {
      await fetched(`${influx.url.replace('http:', 'influx+http:')}/workers`, 'joined');
      const joined = await readSeriesJoin([join(folder, 'joined', 'influx.parquet')]);
      const seconds = [...joined.seconds(run.endUnixUs - run.beginUnixUs)];
      expect(seconds.length).toBeGreaterThan(1);
      expect(seconds.at(-1)).toMatchObject({ worker, values: { 'worker_state.functions': 1 } });
      const late = joined.at(worker, run.endUnixUs - run.beginUnixUs);
      expect(late['worker_state.warm']).toBeGreaterThan(1);
      expect(late['worker_state.warm']).toBeLessThanOrEqual((await fixture.worker.status()).counters['warm'] as number);
    });

    it('are fetched by the command line, from several servers at once, and drawn over the results', async () => {
      const plot = join(folder, 'plot.svg');
      const { code, stdout, stderr } = await iluvatar([
        ...['load', 'fetch', join(folder, 'run'), '--json', '--plot', plot],
        ...['--from', `${influx.url.replace('http:', 'influx+http:')}/workers`],
        ...['--from', prometheus.url.replace('http:', 'prometheus+http:')],
        ...['--worker-clock', `${fixture.worker.httpUrl}/healthz`],
      ]);
      expect(stderr).toBe('');
      expect(code).toBe(0);
      const records = JSON.parse(stdout) as FetchRecord[];
      expect(records.map(({ file }) => file)).toEqual(['influx.parquet', 'prometheus.parquet']);
      const [first] = records;
      expect(first).toMatchObject({ correctedMs: 0, workerClock: { method: expect.stringContaining('Date') } });
      const kept = JSON.parse(readFileSync(join(folder, 'run', 'metrics', 'influx.json'), 'utf8'));
      expect(kept).toEqual(first);
      const drawn = readFileSync(plot, 'utf8');
      // Compared in pieces: nobody wants to read a picture in a failure.
      for (const part of ['<svg', 'p99 latency', 'iluvatar_containers'])
        expect([part, drawn.includes(part)]).toEqual([part, true]);
    });

    it('are refused with the reason where there are none', async () => {
      const nowhere = `graphite://127.0.0.1:${await freePort()}`;
      const { code, stderr } = await iluvatar(['load', 'fetch', join(folder, 'run'), '--from', nowhere]);
      expect([code, stderr]).toEqual([
        EXIT.unreachable,
        expect.stringMatching(/^unavailable: .*cannot be reached: .*ECONNREFUSED/),
      ]);
      const past = { beginUnixUs: 1.5e15, endUnixUs: 1.5e15 + 60e6 };
      const options = { folder: join(folder, 'past'), selection, signal };
      const source = openSource(prometheus.url.replace('http:', 'prometheus+http:'));
      await expect(fetchForRun(source, past, options)).rejects.toMatchObject({
        errorClass: 'not_found',
        message: expect.stringMatching(/has nothing of what was asked for from 2017-07-14T02:40:00/),
      });
    });
  },
);

/** What InfluxDB 1.6 has not, and a clock that no server of this machine has. */
describe('InfluxDB 2 whose clock is wrong, and a worker whose clock is', () => {
  const AHEAD_MS = 7_300_000;
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-flux-'));
  const asked: { org: string; token: string; query: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    response.sendDate = false;
    response.setHeader('date', new Date(Date.now() + AHEAD_MS).toUTCString());
    const url = new URL(request.url ?? '', 'http://x');
    if (url.pathname !== '/api/v2/query') return response.writeHead(204).end();
    const { query } = JSON.parse(body) as { query: string };
    asked.push({ org: url.searchParams.get('org') ?? '', token: request.headers.authorization ?? '', query });
    const at = (ms: number): string => new Date(1_800_000_000_000 + ms).toISOString();
    const rows = [-500, 0, 1500, 2000, 2500].map(
      (ms) => `,_result,0,${at(ms + AHEAD_MS)},${ms},cpu_util,worker_load,w`,
    );
    const head = '#datatype,string,long,dateTime:RFC3339,double,string,string,string';
    return response.end(
      `${head}\r\n,result,table,_time,_value,_field,_measurement,name\r\n${rows.join('\r\n')}\r\n\r\n`,
    );
  });
  let host: string;
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    host = `127.0.0.1:${(server.address() as { port: number }).port}`;
  });
  afterAll(() => {
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  });

  it('gives the window by the clock of what has stamped the points', async () => {
    const source = openSource(`influx2+http://${host}/lab/bucket`, { token: 'secret' });
    const run = { beginUnixUs: 1_800_000_000_000_000, endUnixUs: 1_800_000_002_000_000 };
    const options = { folder, selection: { ...selection, series: ['worker_load.cpu_util'] }, signal };
    const record = await fetchForRun(source, run, { ...options, workerClock: `http://${host}/healthz` });
    expect(asked[0]).toMatchObject({ org: 'lab', token: 'Token secret' });
    expect(asked[0]?.query).toMatch(/^from\(bucket: "bucket"\) \|> range\(start: .*Z, stop: .*Z\) \|> filter/);
    const { sourceClock, correctedMs } = record;
    expect(Math.abs(sourceClock.offsetMs - AHEAD_MS)).toBeLessThanOrEqual(sourceClock.uncertaintyMs + 1);
    expect(Math.abs(correctedMs - AHEAD_MS)).toBeLessThan(1000);
    const [series] = await readSeries([join(folder, 'influx.parquet')]);
    // Where the correction is off by less than is known of it, the one at an end may lie beyond it.
    expect(series).toMatchObject({ series: 'worker_load.cpu_util', worker: 'w' });
    const error = AHEAD_MS - correctedMs;
    for (const { timeUs, value } of series?.points ?? []) expect(timeUs / 1000 - value).toBeCloseTo(error, 3);
    expect(series?.points.map(({ value }) => value)).toContain(1500);
    expect(series?.points.every(({ timeUs }) => timeUs >= 0 && timeUs <= 2_000_000)).toBe(true);
  });
});
