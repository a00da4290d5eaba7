import { describe, expect, it } from 'vitest';
import type { LoadAnswer } from '../../src/load/target.js';
import { failureOf } from '../../src/load/targets/answers.js';
import { closedWork, FakeTarget, load, OK, openWork } from './support.js';

/** What the drivers do with a target that does as it is told. */

describe('an open loop', () => {
  it('counts latency from when an invocation was meant to be sent: a target that stalls is seen by all who would have come', async () => {
    let release: () => void = () => {};
    const stalled = new Promise<void>((resolve) => {
      release = resolve;
    });
    // One after the other, as a single server would: the tenth holds up all that come after it.
    let last: Promise<unknown> = Promise.resolve();
    const target = new FakeTarget((number) => {
      const answered = last.then(() => (number === 10 ? stalled : undefined)).then(() => OK);
      last = answered;
      if (number === 10) setTimeout(release, 100);
      return answered;
    });
    // The limit makes the generator wait as well: that is when others forget those who would have come.
    const { rows, summary } = await load(target, openWork(60, 2000, { maxInFlight: 2 }));
    expect(rows.length).toBe(60);
    const late = rows.filter(({ arrivalUs, endUs }) => endUs - arrivalUs > 20_000);
    // Arrivals every 2 ms for 100 ms: 50 were meant to be sent in the stall, and 40 of them waited for more than 20 ms.
    expect(late.length).toBeGreaterThanOrEqual(38);
    // By the time from sending to answering, which forgets them, there are no more than were in flight.
    const slow = rows.filter(({ sentUs, endUs }) => endUs - sentUs > 20_000);
    expect(slow.length).toBeLessThan(late.length / 2);
    expect(rows.map(({ arrivalUs }) => arrivalUs).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 60 }, (_, i) => i * 2000),
    );
    expect(summary.generator.heldBack).toBeGreaterThan(30);
    expect(summary.generator.bottlenecks.join()).toContain('in flight');
  });

  it('drops what is above the limit when it is told to, and says so', async () => {
    const target = new FakeTarget(() => new Promise(() => {}));
    const { rows } = await load(target, openWork(8, 1000, { maxInFlight: 3, overLimit: 'drop', untilUs: 8000 }), {
      drainMs: 1,
    });
    expect(target.calls.length).toBe(3);
    const dropped = rows.filter(({ sentUs }) => sentUs === -1);
    expect(dropped.map(({ outcome, error }) => [outcome, error.slice(0, 8)])).toEqual(
      Array(5).fill(['cancelled', 'not sent']),
    );
    const given = rows.filter(({ sentUs }) => sentUs >= 0);
    expect(given.map(({ outcome, error }) => [outcome, error.includes('not answered')])).toEqual(
      Array(3).fill(['cancelled', true]),
    );
  });

  it('makes rows of what the worker and the function say', async () => {
    const { rows, summary } = await load(new FakeTarget(), openWork(3, 1000));
    expect(rows[0]).toMatchObject({
      fn: 'f@1',
      tid: 'tid',
      state: 'cold',
      queueUs: 1,
      createUs: 2,
      runUs: 3,
      codeUs: 2000,
      codeCold: 1,
      outcome: 'ok',
      client: -1,
    });
    expect(rows.every(({ sentUs, arrivalUs, endUs }) => sentUs >= arrivalUs && endUs >= sentUs)).toBe(true);
    expect([summary.invocations, summary.codeColdRatio]).toEqual([3, 1]);
  });

  it('leaves the warm-up out of rows and numbers', async () => {
    const { rows, warmUp, summary } = await load(new FakeTarget(), openWork(30, 1000), { warmUpUs: 10_000 });
    expect([rows.length, warmUp, summary.invocations]).toEqual([20, 10, 20]);
    expect(Math.min(...rows.map(({ arrivalUs }) => arrivalUs))).toBe(10_000);
  });

  it('sends nothing more after a signal, and waits for what is in flight', async () => {
    const stop = new AbortController();
    const answers: ((answer: LoadAnswer) => void)[] = [];
    const target = new FakeTarget((number) => {
      if (number === 5) setImmediate(() => stop.abort());
      return new Promise((resolve) => {
        answers.push(resolve);
        if (number === 5)
          setTimeout(() => {
            for (const answer of answers) answer(OK);
          }, 20);
      });
    });
    const { rows, stopped } = await load(target, openWork(1_000_000, 1000), { stopSignal: stop.signal });
    expect(stopped?.kind).toBe('interrupted');
    expect(rows.length).toBe(target.calls.length);
    expect(rows.slice(0, 5).every(({ outcome }) => outcome === 'ok')).toBe(true);
  });

  it('gives up what is never answered after a signal', async () => {
    const stop = new AbortController();
    const target = new FakeTarget((number) => {
      if (number === 3) setImmediate(() => stop.abort());
      return new Promise(() => {});
    });
    const { rows } = await load(target, openWork(1_000_000, 1000), {
      stopSignal: stop.signal,
      interruptedDrainMs: 10,
    });
    expect(rows.length).toBe(target.calls.length);
    expect(rows.every(({ outcome, error }) => outcome === 'cancelled' && error.includes('interrupted'))).toBe(true);
  });

  it('ends when too many of the last invocations failed', async () => {
    const target = new FakeTarget((number) => (number > 300 ? failureOf('user_error', 'no', '') : OK));
    const { stopped, rows } = await load(target, openWork(100_000, 100), { stop: { maxErrorRate: 0.5 } });
    expect(stopped?.kind).toBe('error-rate');
    expect(rows.filter(({ outcome }) => outcome !== 'ok').length).toBeGreaterThan(100);
    expect(rows.length).toBeLessThan(100_000);
  });

  it('ends when its target is gone, and not when it comes back', async () => {
    const gone = new FakeTarget((number) => (number > 10 ? failureOf('unavailable', 'refused', '') : OK));
    const lost = await load(gone, openWork(100_000, 1000), { stop: { lostUs: 50_000 } });
    expect(lost.stopped).toMatchObject({ kind: 'target-lost', text: expect.stringContaining('refused') });
    expect(lost.rows.filter(({ outcome }) => outcome === 'ok').length).toBe(10);
    const back = new FakeTarget((number) => (number % 10 === 0 ? OK : failureOf('unavailable', 'refused', '')));
    const kept = await load(back, openWork(200, 1000), { stop: { lostUs: 60_000_000 } });
    expect([kept.stopped, kept.rows.length]).toEqual([null, 200]);
  });

  it('keeps its numbers and ends when rows cannot be written', async () => {
    let written = 0;
    const rows = {
      row: () => {
        if (++written > 20) throw new Error('no space left');
      },
      backlog: () => null,
      end: async () => {},
    };
    const { stopped, lost, summary } = await load(new FakeTarget(), openWork(100_000, 1000), { rows });
    expect(stopped).toEqual({ kind: 'not-written', text: 'no space left' });
    expect(lost).toBeGreaterThanOrEqual(1);
    expect(summary.invocations).toBe(20 + lost);
  });
});

describe('a closed loop', () => {
  it('has as many in flight as there are clients, each waiting for its answer', async () => {
    let open = 0;
    let most = 0;
    const target = new FakeTarget(async () => {
      most = Math.max(most, ++open);
      await new Promise(setImmediate);
      open--;
      return OK;
    });
    const { rows } = await load(target, closedWork(4, { count: 200 }));
    expect([rows.length, most]).toEqual([200, 4]);
    expect([...new Set(rows.map(({ client }) => client))].sort()).toEqual([0, 1, 2, 3]);
  });

  it('thinks between an answer and the next invocation', async () => {
    const { rows } = await load(new FakeTarget(), closedWork(1, { count: 4, thinkUs: 5000 }));
    for (let i = 1; i < rows.length; i++) {
      expect((rows[i]?.arrivalUs as number) - (rows[i - 1]?.endUs as number)).toBeGreaterThanOrEqual(4999);
    }
    const random = await load(new FakeTarget(), closedWork(2, { count: 20, thinkUs: 500, thinking: 'exponential' }));
    expect(random.rows.length).toBe(20);
  });

  it('begins its clients one after the other along a ramp', async () => {
    const { rows } = await load(new FakeTarget(), closedWork(4, { count: 4, rampUs: 40_000, thinkUs: 1_000_000 }));
    expect(rows.map(({ client, arrivalUs }) => [client, arrivalUs])).toEqual([
      [0, 0],
      [1, 10_000],
      [2, 20_000],
      [3, 30_000],
    ]);
  });

  it('ends in time, and does not spin on a target that is gone', async () => {
    const target = new FakeTarget(() => failureOf('unavailable', 'refused', ''));
    const { rows } = await load(target, closedWork(2, { untilUs: 200_000 }));
    // A pause of 50 ms after each: without it there would be hundreds of thousands.
    expect(rows.length).toBeGreaterThanOrEqual(2);
    expect(rows.length).toBeLessThanOrEqual(10);
    const refused = await load(new FakeTarget(() => failureOf('invalid', 'no', '')), closedWork(1, { count: 50 }));
    expect(refused.rows.length).toBe(50);
  });
});
