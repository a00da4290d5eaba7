import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EnergyStatus, WorkerConfigInput } from '../../src/index.js';
import { connect } from '../../src/index.js';
import type { RunSummary } from '../../src/results/summary.js';
import { iluvatar } from '../cli/run.js';
import { describeWith } from '../support/requirement.js';
import { FakeRapl } from './support/fake-rapl.js';
import { rejection, WorkerFixture } from './support/worker-fixture.js';

/** Energy through a whole worker, from a fake of the kernel's counters: who gets it, what every edge says of it, and what a lost source does. */

const PERIOD_MS = 100;
const PATIENCE = { timeout: 20_000, interval: 20 };

function energyOf(rapl: FakeRapl, more: Partial<NonNullable<WorkerConfigInput['energy']>> = {}): WorkerConfigInput {
  return { energy: { source: 'rapl', root: rapl.root, periodMs: PERIOD_MS, idleWatts: 20, ...more } };
}

async function energyStatus(fixture: WorkerFixture): Promise<EnergyStatus> {
  const { energy } = await fixture.worker.status();
  expect(energy).not.toBe(null);
  return energy as EnergyStatus;
}

async function metricsOf(url: string | null): Promise<string> {
  return (await fetch(`${url}/metrics`)).text();
}

/** Resolves once what ran until now has been divided. */
async function divided(fixture: WorkerFixture): Promise<EnergyStatus> {
  const { joules } = await energyStatus(fixture);
  // 60 W: two further intervals at least.
  await expect
    .poll(async () => (await energyStatus(fixture)).joules.measured, PATIENCE)
    .toBeGreaterThan(joules.measured + 2.5 * 60 * (PERIOD_MS / 1000));
  return energyStatus(fixture);
}

const SPIN = `import time
def main(args):
    until = time.thread_time() + args["seconds"]
    while time.thread_time() < until:
        pass
    return {}
`;
const SLEEP = `import time
def main(args):
    time.sleep(args["seconds"])
    return {}
`;

describeWith({ root: true, cgroups: true, command: 'python3' }, 'the energy of real functions', () => {
  const rapl = new FakeRapl(60);
  let fixture: WorkerFixture;

  beforeAll(async () => {
    fixture = await WorkerFixture.start({
      ...energyOf(rapl),
      cpu: { slots: 8 },
      memory: { budgetMb: 2048 },
      grpc: { enabled: true, port: 0 },
    });
    await fixture.python('spin', SPIN);
    await fixture.python('sleep', SLEEP);
  });
  afterAll(async () => {
    await fixture?.[Symbol.asyncDispose]();
    rapl[Symbol.dispose]();
  });

  it('goes to those who use the processors, and adds up to what was measured', async () => {
    const { worker } = fixture;
    const runs = await Promise.all([
      worker.invoke('spin', { seconds: 0.5 }),
      worker.invoke('sleep', { seconds: 0.5 }),
      worker.invoke('spin', { seconds: 0.5 }),
      worker.invoke('sleep', { seconds: 0.5 }),
    ]);
    const cpuMs = runs.map(({ energy }) => energy?.cpuMs ?? -1);
    expect(Math.min(cpuMs[0] as number, cpuMs[2] as number)).toBeGreaterThanOrEqual(500);
    expect(Math.min(cpuMs[1] as number, cpuMs[3] as number)).toBeGreaterThan(0);
    expect(Math.max(cpuMs[1] as number, cpuMs[3] as number)).toBeLessThan(250);
    const { joules } = await divided(fixture);
    const micro = (part: keyof typeof joules): number => Math.round(joules[part] * 1e6);
    const [measured, invocations, idle, other] = [
      micro('measured'),
      micro('invocations'),
      micro('idle'),
      micro('other'),
    ];
    expect(invocations + idle + other).toBe(measured);
    const [spin, sleep] = await Promise.all([functionJoules('spin'), functionJoules('sleep')]);
    expect(spin).toBeGreaterThan(3 * sleep);
    expect(sleep).toBeGreaterThan(0);
    expect(Math.round((spin + sleep) * 1e6)).toBe(invocations);
    // 20 W of 60; less where the fake was late with what it counts.
    expect(idle / measured).toBeGreaterThan(0.2);
    expect(idle / measured).toBeLessThan(0.334);
  });

  it('is told on every edge, and summed up by function in the metrics', async () => {
    const { worker } = fixture;
    await divided(fixture);
    const url = `${worker.httpUrl}/functions/spin/1/invoke`;
    const request = { method: 'POST', body: '{"seconds":0.05}' };
    const plain = await fetch(url, request);
    expect(Number(plain.headers.get('x-iluvatar-cpu-us'))).toBeGreaterThanOrEqual(50_000);
    expect(Number(plain.headers.get('x-iluvatar-energy-uj'))).toBeGreaterThan(0);
    const enveloped = (await (await fetch(`${url}?envelope=true`, request)).json()) as { energy: unknown };
    expect(enveloped.energy).toMatchObject({ source: 'rapl', settled: false, gpuMs: 0 });
    await using client = await connect(worker.socketPath);
    const { energy } = await client.invoke('spin', { seconds: 0.05 });
    expect(energy?.joules).toBeGreaterThan(0);
    const id = await worker.invokeAsync('spin', { seconds: 0.05 });
    const { result } = await worker.result(id, { waitMs: 20_000 });
    expect(result?.energy?.cpuMs).toBeGreaterThanOrEqual(50);
    await divided(fixture);
    const metrics = await metricsOf(worker.httpUrl);
    const spin = Number(
      /^iluvatar_function_energy_joules_total\{function="spin",version="1"\} (\S+)/m.exec(metrics)?.[1],
    );
    expect(spin).toBeCloseTo(await functionJoules('spin'), 6);
    expect(metrics).toMatch(/^iluvatar_energy_joules_total\{part="idle"\} [1-9]/m);
    expect(metrics).toMatch(/^iluvatar_power_watts\{part="idle"\} 20$/m);
  });

  it.each(['unix', 'http', 'grpc'])('is in the rows and the summary of a load over %s', async (wire) => {
    const { worker, folder } = fixture;
    await divided(fixture);
    const targets: Record<string, string> = {
      unix: `unix:${worker.socketPath}`,
      http: `${worker.httpUrl}`,
      grpc: `grpc://${worker.grpcAddress}`,
    };
    const out = join(folder, `load-${wire}`);
    const load = [
      'load',
      'run',
      'spin',
      '-t',
      `${targets[wire]}`,
      '--clients',
      '1',
      '--count',
      '5',
      '-a',
      'seconds=0.02',
      '-o',
      out,
    ];
    const { code, stdout, stderr } = await iluvatar([...load, '--json']);
    expect([code, stderr.includes('error')]).toEqual([0, false]);
    const { energy, functions } = JSON.parse(stdout) as RunSummary;
    expect([code, energy?.invocations, functions[0]?.energy?.invocations]).toEqual([0, 5, 5]);
    const [head = '', ...rows] = readFileSync(join(out, 'rows.csv'), 'utf8').trim().split('\n');
    const columns = head.split(',');
    const sum = (column: string): number =>
      rows.reduce((total, row) => total + Number(row.split(',')[columns.indexOf(column)]), 0);
    expect(sum('cpu_us')).toBeGreaterThanOrEqual(5 * 20_000);
    expect(sum('energy_uj') / 1e6).toBeCloseTo(energy?.joules ?? -1, 5);
    expect(sum('energy_uj')).toBeGreaterThan(0);
  });

  it('is seen of a run that goes on, and told of one that fails', async () => {
    const { worker } = fixture;
    const before = await functionJoules('spin');
    const long = rejection(worker.invoke('spin', { seconds: 30 }, { timeoutMs: 1500 }));
    await expect.poll(() => functionJoules('spin'), PATIENCE).toBeGreaterThan(before + 1);
    const { errorClass, details } = await long;
    expect([errorClass, details.energy?.source]).toEqual(['timeout', 'rapl']);
    expect(details.energy?.cpuMs).toBeGreaterThan(100);
    expect(details.energy?.joules).toBeGreaterThan(1);
  });

  async function functionJoules(name: string): Promise<number> {
    const found = (await fixture.worker.list()).find((fn) => fn.name === name);
    return found?.energyJoules ?? Number.NaN;
  }
});

describe('a worker whose source of energy', () => {
  const SIMULATED: WorkerConfigInput = { backends: { process: { enabled: false }, simulated: { enabled: true } } };

  async function startWith(config: WorkerConfigInput): Promise<WorkerFixture> {
    const fixture = await WorkerFixture.start({ ...SIMULATED, ...config });
    const source = fixture.source('modelled', { 'simulated.json': JSON.stringify({ run: 300_000 }) });
    await fixture.worker.register({ name: 'modelled', source, backends: ['simulated'] });
    return fixture;
  }

  it('is lost goes on without, says so, and goes on with it once it is back', async () => {
    using rapl = new FakeRapl(60);
    await using fixture = await startWith(energyOf(rapl));
    const { worker } = fixture;
    await divided(fixture);
    await worker.invoke('modelled', {});
    await divided(fixture);
    expect((await worker.invoke('modelled', {})).energy?.joules).toBeGreaterThan(0);
    rapl.vanish();
    await expect.poll(async () => (await energyStatus(fixture)).stale, PATIENCE).toBe(true);
    const { notes, healthy } = await worker.health();
    expect([healthy, notes.filter((note) => note.startsWith('energy: nothing is read from "rapl"')).length]).toEqual([
      true,
      1,
    ]);
    const blind = await worker.invoke('modelled', {});
    expect(blind.energy).toMatchObject({ joules: null, source: 'rapl' });
    rapl.appear();
    await expect.poll(async () => (await energyStatus(fixture)).stale, PATIENCE).toBe(false);
    expect((await worker.health()).notes).toEqual([]);
  });

  it('is not there at the start runs functions all the same', async () => {
    using rapl = new FakeRapl(60);
    rapl.vanish();
    await using fixture = await startWith(energyOf(rapl));
    const { worker } = fixture;
    expect((await worker.invoke('modelled', {})).energy).toMatchObject({ joules: null });
    await expect.poll(async () => (await worker.health()).notes.join(), PATIENCE).toContain('modprobe');
    rapl.appear();
    await expect.poll(async () => (await energyStatus(fixture)).joules.measured, PATIENCE).toBeGreaterThan(0);
  });

  it('is off says nothing, and measures nothing', async () => {
    await using fixture = await startWith({});
    const { worker } = fixture;
    expect((await worker.invoke('modelled', {})).energy).toBe(undefined);
    const { energy, powerCap } = await worker.status();
    expect([energy, powerCap]).toEqual([null, null]);
    expect((await worker.list())[0]?.energyJoules).toBe(null);
    expect(await metricsOf(worker.httpUrl)).not.toMatch(/^iluvatar_energy_joules_total\{/m);
  });

  it('says too much power has invocations wait, though never for ever', async () => {
    using rapl = new FakeRapl(60);
    const cap = { watts: 30, maxHoldMs: 400, whenStale: 'assume-busy' as const };
    await using fixture = await startWith({ ...energyOf(rapl, { cap }), cpu: { slots: 8 } });
    const { worker } = fixture;
    await divided(fixture);
    const answers = await Promise.all(Array.from({ length: 4 }, () => worker.invoke('modelled', {})));
    expect(answers).toHaveLength(4);
    const { powerCap } = await worker.status();
    expect(powerCap?.capWatts).toBe(30);
    expect(powerCap?.holds).toBeGreaterThan(0);
    expect(Math.max(...answers.map(({ phases }) => phases.queueUs))).toBeGreaterThan(100_000);
  });

  it('is none cannot be capped', async () => {
    const refused = await rejection(WorkerFixture.start({ ...SIMULATED, energy: { cap: { watts: 30 } } }));
    expect([refused.errorClass, refused.message]).toEqual(['invalid', expect.stringContaining('energy.source')]);
  });
});
