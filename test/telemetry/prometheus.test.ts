import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PrometheusServer } from '../support/prometheus-server.js';
import { describeWith } from '../support/requirement.js';
import { WorkerFixture } from '../worker/support/worker-fixture.js';

/** The metrics, read by a real Prometheus; and the rules that are shipped for it. */

const ETC = fileURLToPath(new URL('../../etc/prometheus/', import.meta.url));
const CONTAINERS = { process: { enabled: false }, simulated: { enabled: true } };

describeWith({ command: 'prometheus' }, 'a Prometheus that reads a worker', () => {
  let fixture: WorkerFixture;
  let prometheus: PrometheusServer;

  beforeAll(async () => {
    fixture = await WorkerFixture.start({
      backends: CONTAINERS,
      defaultBackends: ['simulated'],
      metrics: { functions: 2 },
    });
    const { worker } = fixture;
    for (const name of ['a', 'b', 'c']) {
      const description = { create: 2000, run: 500, result: {}, outcomes: { raise: { errorClass: 'user_error' } } };
      const source = fixture.source(name, { 'simulated.json': JSON.stringify(description) });
      await worker.register({ name, source });
      for (let i = 0; i < 3; i++) await worker.invoke(name, {});
    }
    await worker.invoke('a', { do: 'raise' }).catch(() => undefined);
    prometheus = await new PrometheusServer([new URL(worker.httpUrl as string).host]).start();
  });
  afterAll(async () => {
    await prometheus?.[Symbol.asyncDispose]();
    await fixture?.[Symbol.asyncDispose]();
  });

  const values = async (query: string): Promise<Record<string, number>> => {
    const rows = await prometheus.query(query);
    return Object.fromEntries(
      rows.map(({ metric, value }) => [Object.values(metric).sort().join(' ') || 'all', Number(value[1])]),
    );
  };

  it('finds it up, and its invocations by state, class and function', async () => {
    await expect.poll(() => values('sum(up)')).toEqual({ all: 1 });
    expect(await values('sum by (state) (iluvatar_invocations_total)')).toEqual({ cold: 3, warm: 7 });
    expect(await values('sum by (class) (iluvatar_invocations_total)')).toEqual({ ok: 9, user_error: 1 });
    expect(await values('sum by (function) (iluvatar_invocations_total)')).toEqual({ a: 4, b: 3, other: 3 });
    expect(await values('sum(iluvatar_containers_removed_total)')).toEqual({ all: 0 });
  });

  it('has histograms that quantiles can be made of', async () => {
    const count = 'sum(iluvatar_invocation_run_seconds_count)';
    expect(await values(count)).toEqual({ all: 10 });
    for (const phase of ['queue', 'run', 'overhead']) {
      const [quantile] = Object.values(
        await values(`histogram_quantile(0.5, sum by (le) (iluvatar_invocation_${phase}_seconds_bucket))`),
      );
      expect(quantile, phase).toBeGreaterThan(0);
    }
    expect(await values('sum(iluvatar_invocation_start_seconds_count)')).toEqual({ all: 3 });
  });

  it('has memory apart by use, whose sum is the total', async () => {
    expect(await values('sum(iluvatar_memory_bytes) - sum(iluvatar_memory_total_bytes)')).toEqual({ all: 0 });
    expect(await values('sum(iluvatar_containers{state="cached"})')).toEqual({ all: 3 });
  });

  it('evaluates the rules that are shipped, and sees no alert', async () => {
    await expect
      .poll(async () => Object.keys(await values('instance:iluvatar_memory:ratio')).length, { timeout: 30_000 })
      .toBe(1);
    const response = await fetch(`${prometheus.url}/api/v1/rules`);
    const { data } = (await response.json()) as {
      data: { groups: { rules: { name: string; health: string; state?: string }[] }[] };
    };
    const rules = data.groups.flatMap(({ rules }) => rules);
    expect(rules.length).toBeGreaterThan(20);
    expect(rules.filter(({ health }) => health === 'err')).toEqual([]);
    expect(rules.filter(({ state }) => state === 'firing').map(({ name }) => name)).toEqual([]);
  });

  it('finds nothing wrong with how the metrics are written', async () => {
    const text = await (await fetch(`${fixture.worker.httpUrl}/metrics`)).text();
    // promtool knows the conventions of Prometheus: names, units, suffixes, help.
    const said = execFileSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    expect(said).toBe('');
  });
});

describeWith({ command: 'promtool' }, 'the rules that are shipped', () => {
  const promtool = (...args: string[]): string => execFileSync('promtool', args, { cwd: ETC, encoding: 'utf8' });

  it('are what Prometheus takes', () => {
    expect(promtool('check', 'rules', 'rules.yml', 'alerts.yml')).toMatch(/SUCCESS[\s\S]*SUCCESS/);
    expect(promtool('check', 'config', 'prometheus.yml')).toContain('is valid');
  });

  it('say what they are to say: all alerts fire when they should, and none otherwise', () => {
    expect(promtool('test', 'rules', 'tests/rules_test.yml')).toContain('SUCCESS');
  });
});
