import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/requirement.js';
import { rejection, WorkerFixture } from './support/worker-fixture.js';

/** A worker with two backends, one of which only pretends: functions of both side by side, one accounting, and one backend taking over from the other. */

const ECHO = 'def main(args):\n    return {"real": args}\n';

describeWith({ root: true, cgroups: true, command: 'python3' }, 'a worker with real and simulated containers', () => {
  let fixture: WorkerFixture;

  beforeAll(async () => {
    fixture = await WorkerFixture.start({
      backends: { simulated: { enabled: true } },
      memory: { budgetMb: 4096 },
      cpu: { slots: 4 },
      create: { backOffMs: 1, breaker: { failures: 3, openMs: 60_000 } },
    });
  });
  afterAll(async () => await fixture?.[Symbol.asyncDispose]());

  async function simulated(name: string, description: object, more: Record<string, unknown> = {}): Promise<void> {
    const source = fixture.source(name, { 'simulated.json': JSON.stringify(description) });
    await fixture.worker.register({ name, source, backends: ['simulated'], ...more });
  }

  it('runs functions of both, with one accounting', async () => {
    const { worker } = fixture;
    await fixture.python('real', ECHO, { memoryMb: 64 });
    await simulated('modelled', { create: 2000, run: 500, result: { modelled: '$args' } }, { memoryMb: 100 });
    const [real, modelled] = await Promise.all([worker.invoke('real', { n: 1 }), worker.invoke('modelled', { n: 2 })]);
    expect([real.result, modelled.result]).toEqual([{ real: { n: 1 } }, { modelled: { n: 2 } }]);
    expect([modelled.containerState, modelled.phases.runUs]).toEqual(['cold', 500]);
    const { memory, backends } = await worker.status();
    expect([memory.cachedMb, memory.cachedContainers]).toEqual([164, 2]);
    expect([backends['process']?.['containers'], backends['simulated']?.['containers']]).toEqual([1, 1]);
    const { backends: health } = await worker.health();
    expect(health.map(({ name, healthy }) => [name, healthy])).toEqual([
      ['process', true],
      ['simulated', true],
    ]);
    const metrics = await (await fetch(`${worker.httpUrl}/metrics`)).text();
    expect(metrics).toContain('iluvatar_backend_containers{backend="simulated"} 1');
    expect(metrics).toContain('iluvatar_backend_creations_total{backend="process"} 1');
    expect(await worker.clean()).toBe(2);
  });

  it('holds hundreds of simulated containers at once', async () => {
    const { worker } = fixture;
    // Long enough that none is idle again before the last of the 200 has come: on a loaded machine that takes a while.
    await simulated('many', { create: { meanUs: 20_000 }, load: 1000, run: 5_000_000 }, { memoryMb: 4, cpus: 0.01 });
    const answers = await Promise.all(Array.from({ length: 200 }, () => worker.invoke('many', {})));
    expect(answers.every(({ containerState }) => containerState === 'cold')).toBe(true);
    expect((await worker.status()).backends['simulated']?.['containers']).toBe(200);
    expect(await worker.clean()).toBe(200);
    expect((await worker.status()).memory.totalMb).toBe(0);
  });

  it('runs what is registered with nothing but measured times', async () => {
    const { worker } = fixture;
    const timings = {
      CPU: {
        cold_results_sec: [0.012],
        warm_results_sec: [0.004],
        cold_worker_duration_us: [20_000],
        warm_worker_duration_us: [4100],
      },
    };
    const source = fixture.source('measured', { 'readme.txt': 'nothing to run\n' });
    await worker.register({ name: 'measured', source, backends: ['simulated'], timings });
    const [cold, warm] = [await worker.invoke('measured', {}), await worker.invoke('measured', {})];
    expect([cold.phases.runUs, warm.phases.runUs]).toEqual([12_000, 4000]);
    expect(cold.phases.startUs).toBeGreaterThanOrEqual(8000);
    expect(cold.result).toMatchObject({ cold: true });
    const nothing = worker.register({ name: 'nothing', source, backends: ['simulated'] });
    expect((await rejection(nothing)).message).toContain('simulated.json');
  });

  it('says in how many attempts it prewarmed', async () => {
    const { worker } = fixture;
    await simulated('unsteady', { creationFailures: 0.5 }, { create: { attempts: 20 } });
    const { containers, attempts } = await worker.prewarm('unsteady', { count: 20 });
    expect(containers).toBe(20);
    expect(attempts).toBeGreaterThan(20);
    await worker.clean();
  });

  it('tells every cause when no container can be made, and takes the next backend where there is one', async () => {
    const { worker } = fixture;
    const never = { creationFailures: 1 };
    await simulated('never', never, { create: { attempts: 2 } });
    const error = await rejection(worker.invoke('never', {}));
    expect(error).toMatchObject({
      errorClass: 'start_failed',
      details: { attempts: 2, evidence: { causes: [{ attempt: 1, backend: 'simulated' }, { attempt: 2 }] } },
    });
    const source = fixture.source('either', { 'simulated.json': JSON.stringify(never), 'main.py': ECHO });
    await worker.register({ name: 'either', source, backends: ['simulated', 'process'], create: { attempts: 1 } });
    const answer = await worker.invoke('either', { n: 3 });
    expect([answer.result, answer.attempts]).toEqual([{ real: { n: 3 } }, 2]);
    // Three failures in a row: from now on the other one is asked first, and people are told.
    await worker.clean();
    expect((await worker.invoke('either', { n: 4 })).attempts).toBe(1);
    const { notes } = await worker.health();
    expect(notes.join('\n')).toContain('could not be made on "simulated"');
    expect((await worker.status()).backends['simulated']?.['avoided']).toBe(1);
  });

  it('refuses a backend that it does not have, and says which it has', async () => {
    const source = fixture.source('elsewhere', { 'main.py': ECHO });
    const error = await rejection(fixture.worker.register({ name: 'elsewhere', source, backends: ['containerd'] }));
    expect([error.errorClass, error.message]).toEqual([
      'invalid',
      'backend "containerd" is not on this worker; it has: process, simulated',
    ]);
  });
});
