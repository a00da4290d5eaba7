import { existsSync, rmSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { Alarms } from '../../src/backends/simulated/alarms.js';
import { Behaviour } from '../../src/backends/simulated/behaviour.js';
import { descriptionSchema } from '../../src/backends/simulated/description.js';
import { fillTemplate } from '../../src/backends/simulated/template.js';
import { seededRandom } from '../../src/core/random.js';
import { type Harness, prepare, startSimulatedBackend, TestContainer } from './support/harness.js';
import { removeTemporaryFolders, temporaryFolder, writeTree } from './support/temporary.js';

function behaviour(description: object, timings = {}): Behaviour {
  return new Behaviour(descriptionSchema.parse(description), timings);
}

const random = () => seededRandom(1, 1);

describe('a behaviour', () => {
  it('has times of its own for each kind of device, to the microsecond', () => {
    const made = behaviour({ create: { cpu: 1234, gpu: { samplesUs: [5678] } }, load: 1, run: { cpu: 7, gpu: 9 } });
    expect(made.creation('cpu', random())).toEqual({ createUs: 1234, loadUs: 1 });
    expect(made.creation('gpu', random())).toEqual({ createUs: 5678, loadUs: 1 });
    expect([made.runUs({}, null, 'cpu', false, random()), made.runUs({}, null, 'gpu', false, random())]).toEqual([
      7, 9,
    ]);
  });

  it('draws around its mean, the same again from the same seed', () => {
    const made = behaviour({ run: { meanUs: 1000, sigma: 0.5 } });
    const draws = (seed: number): number[] => {
      const chance = seededRandom(seed, 1);
      return Array.from({ length: 4000 }, () => made.runUs({}, null, 'cpu', false, chance));
    };
    expect(draws(1)).toEqual(draws(1));
    expect(draws(1)).not.toEqual(draws(2));
    const mean = draws(1).reduce((sum, us) => sum + us, 0) / 4000;
    expect(mean / 1000).toBeCloseTo(1, 1);
  });

  it('goes by the outcome, then the arguments, then the description, then measured times', () => {
    const times = { coldRunUs: [40], warmRunUs: [30], coldTotalUs: [140], warmTotalUs: [31] };
    const measured = behaviour({ outcomes: { slow: { run: 99 } } }, { cpu: times });
    const args = { CPU: { cold_dur_ms: 2.5, warm_dur_ms: 1 } };
    const run = (made: Behaviour, given: unknown, first: boolean): number =>
      made.runUs(given, made.outcome(given), 'cpu', first, random());
    expect([run(measured, {}, true), run(measured, {}, false)]).toEqual([40, 30]);
    expect([run(measured, args, true), run(measured, args, false)]).toEqual([2500, 1000]);
    expect(run(measured, { ...args, do: 'slow' }, true)).toBe(99);
    expect(measured.creation('gpu', random())).toEqual({ createUs: 100, loadUs: 0 });
    const described = behaviour({ run: 5, coldRun: 6 }, { cpu: times });
    expect([run(described, {}, true), run(described, {}, false), run(described, 'no object', false)]).toEqual([
      6, 5, 5,
    ]);
  });
});

describe('a template', () => {
  it('has values in the place of names, and everything else as it is', () => {
    const values = { args: { a: { b: [1] }, n: 3 }, calls: 2 };
    const template = { all: '$args', deep: ['$args.a.b', '$calls'], none: '$args.x.y', text: '$$calls', long: 'x' };
    const fill = (given: unknown, most = 100): unknown => fillTemplate(given, values, most)?.value;
    expect(fill(template)).toEqual({
      all: values.args,
      deep: [[1], 2],
      none: null,
      text: '$calls',
      long: 'x',
    });
    expect(fill({ $repeat: 'ab', times: '$args.n' })).toBe('ababab');
    expect(fill({ $repeat: 'ab', times: '$args.a' })).toBe('');
    expect(fill('$args.constructor')).toBe(null);
    const thrice = { $repeat: 'ab', times: '$args.n' };
    expect([fill([thrice, thrice], 12), fill([thrice, thrice], 11)]).toEqual([['ababab', 'ababab'], undefined]);
  });
});

describe('alarms', () => {
  it('ring once each, in the order of their times, never early, and not when they are taken back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(20_000), fc.boolean()), { maxLength: 40 }), async (wanted) => {
        const alarms = new Alarms();
        const rung: number[] = [];
        const began = performance.now();
        const early: number[] = [];
        await new Promise<void>((resolve) => {
          const kept = wanted.filter(([, keep]) => keep).length;
          if (kept === 0) resolve();
          for (const [us, keep] of wanted) {
            const alarm = alarms.after(us, () => {
              rung.push(us);
              if ((performance.now() - began) * 1000 < us) early.push(us);
              if (rung.length === kept) resolve();
            });
            if (!keep) alarms.cancel(alarm);
          }
        });
        alarms.stop();
        expect(early).toEqual([]);
        const kept = wanted.filter(([, keep]) => keep).map(([us]) => us);
        // Set a moment apart: what is less than a millisecond apart may ring in either order.
        for (const [i, us] of rung.entries()) expect(us).toBeGreaterThan((rung[i - 1] ?? 0) - 1000);
        expect([...rung].sort((a, b) => a - b)).toEqual([...kept].sort((a, b) => a - b));
      }),
      { numRuns: 20 },
    );
  });
});

describe('the simulated backend', () => {
  let harness: Harness | null = null;
  afterEach(async () => {
    await harness?.close();
    harness = null;
  });
  afterAll(removeTemporaryFolders);

  it.each([
    ['{', 'is not JSON'],
    ['{"run": -1}', 'run'],
    ['{"colour": 1}', 'colour'],
    ['{"outcomes": {"x": {"errorClass": "ok"}}}', 'errorClass'],
  ])('refuses a description that is wrong: %s', async (text, word) => {
    harness = await startSimulatedBackend();
    const source = writeTree(temporaryFolder(), { 'simulated.json': text });
    await expect(prepare(harness.backend, { name: 'f', source })).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringContaining(word),
    });
  });

  it('keeps the description: the source of an upload goes away', async () => {
    harness = await startSimulatedBackend();
    const source = writeTree(temporaryFolder(), { 'simulated.json': '{"result": "kept"}' });
    const fn = await prepare(harness.backend, { name: 'f', source });
    rmSync(source, { recursive: true });
    expect(existsSync(fn.definition.source as string)).toBe(true);
    const again = await prepare(harness.backend, fn.definition);
    expect(again.digest).toBe(fn.digest);
    const made = new TestContainer(harness.backend, harness.transport, again);
    await made.started();
    expect(await made.invoke({})).toMatchObject({ result: 'kept' });
    await made.destroy();
  });

  it('ends all that a container runs when one of them ends its process', async () => {
    harness = await startSimulatedBackend();
    const description = { outcomes: { long: { run: 30_000_000 }, exit: { run: 1000, exit: { signal: 'SIGKILL' } } } };
    const source = writeTree(temporaryFolder(), { 'simulated.json': JSON.stringify(description) });
    const fn = await prepare(harness.backend, { name: 'f', source, concurrency: 2 });
    const made = new TestContainer(harness.backend, harness.transport, fn);
    await made.started();
    const both = await Promise.all([made.invoke({ do: 'long' }), made.invoke({ do: 'exit' })]);
    expect(both.map(({ errorClass }) => errorClass)).toEqual(['crashed', 'crashed']);
    await made.destroy();
    expect(await harness.backend.memory([made.handle])).toEqual([{ usedBytes: 0, cacheBytes: 0 }]);
  });

  it('refuses a result that no transport would carry', async () => {
    harness = await startSimulatedBackend({ transport: { maxBodyBytes: 2000 } });
    const long = { $repeat: 'x', times: '$args.n' };
    const outcomes = { endless: { result: [long, long, long, long, long] } };
    const source = writeTree(temporaryFolder(), { 'simulated.json': JSON.stringify({ result: long, outcomes }) });
    const fn = await prepare(harness.backend, { name: 'f', source });
    const made = new TestContainer(harness.backend, harness.transport, fn);
    await made.started();
    expect((await made.invoke({ n: 1990 })).errorClass).toBe(null);
    expect((await made.invoke({ n: 1999 })).errorClass).toBe('too_large');
    expect((await made.invoke({ n: 1e9, do: 'endless' })).errorClass).toBe('too_large');
    await made.destroy();
  });
});
