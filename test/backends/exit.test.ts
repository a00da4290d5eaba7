import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseOldAnswer } from '../../src/backends/agent/channel.js';
import { classifyEnd, type Ended } from '../../src/backends/agent/exit.js';
import { UserIds } from '../../src/backends/user-ids.js';
import { ERROR_CLASSES } from '../../src/core/errors.js';

const NORMAL: Ended = {
  exit: { code: 0, signal: 0, message: null, step: null },
  garbage: null,
  evidence: null,
  ready: true,
  cancelled: null,
  othersRunning: false,
  stderr: '',
};
const exit = (code: number, signal = 0): Ended['exit'] => ({ code, signal, message: null, step: null });
const evidence = { oomKills: 0, limitHits: 0, peakBytes: 1, currentBytes: 1, limitBytes: 1048576, cpuUsageUs: 1 };

describe('naming the end of a container', () => {
  it.each<[string, Partial<Ended>, string, RegExp, boolean]>([
    ['an exit code', { exit: exit(3) }, 'crashed', /code 3/, false],
    ['a signal', { exit: exit(0, 6) }, 'crashed', /SIGABRT/, false],
    ['a lost descriptor', { exit: exit(121) }, 'crashed', /file descriptor/, false],
    [
      'memory, whatever the signal',
      { exit: exit(0, 9), evidence: { ...evidence, oomKills: 1 } },
      'out_of_memory',
      /1 MiB/,
      false,
    ],
    ['a kill without an overrun', { exit: exit(0, 9), evidence }, 'crashed', /SIGKILL/, false],
    ['time', { exit: exit(124), cancelled: 'timeout' }, 'timeout', /time/, false],
    ['the same code without a cancel', { exit: exit(124) }, 'crashed', /code 124/, false],
    [
      'another run’s time',
      { exit: exit(124), cancelled: 'timeout', othersRunning: true },
      'crashed',
      /another invocation/,
      true,
    ],
    ['a caller who left', { exit: exit(0, 9), cancelled: 'cancelled' }, 'cancelled', /cancelled/, false],
    ['garbage', { exit: null, garbage: 'ERR_FRAME_MAGIC' }, 'crashed', /ERR_FRAME_MAGIC/, true],
    ['silence', { exit: null }, 'crashed', /supervisor was killed/, true],
    [
      'a failed mount',
      { exit: { code: 1, signal: 0, message: 'no', step: 'mount' }, ready: false },
      'start_failed',
      /no \(mount\)/,
      true,
    ],
    ['an end while loading', { exit: exit(1), ready: false }, 'start_failed', /while its code was loaded/, false],
  ])('%s', (_name, ended, errorClass, message, transient) => {
    const failure = classifyEnd({ ...NORMAL, ...ended });
    expect(failure).toMatchObject({ errorClass, transient });
    expect(failure.message).toMatch(message);
  });

  it('always gives a class and a sentence', () => {
    fc.assert(
      fc.property(
        fc.record({
          exit: fc.option(
            fc.record({
              code: fc.nat(255),
              signal: fc.nat(64),
              message: fc.option(fc.string()),
              step: fc.option(fc.string()),
            }),
          ),
          garbage: fc.option(fc.string()),
          evidence: fc.option(fc.constant(evidence)),
          ready: fc.boolean(),
          cancelled: fc.option(fc.constantFrom('timeout' as const, 'cancelled' as const)),
          othersRunning: fc.boolean(),
          stderr: fc.string(),
        }),
        (ended) => {
          const failure = classifyEnd(ended);
          expect(ERROR_CLASSES).toContain(failure.errorClass);
          expect(typeof failure.message).toBe('string');
          JSON.stringify(failure);
        },
      ),
    );
  });
});

describe('answers of old agents', () => {
  it('takes the JSON out of the JSON', () => {
    const answer = parseOldAnswer(
      '{"user_result":"{\\"a\\":1}","start":"","end":"","was_cold":true,"duration_sec":0.5}',
    );
    expect(answer).toMatchObject({ errorClass: null, runUs: 500_000 });
    expect(Buffer.from(answer?.body as Uint8Array).toString()).toBe('{"a":1}');
    expect(parseOldAnswer('{"user_error":"\\"bad\\"","duration_sec":-1}')).toMatchObject({
      errorClass: 'user_error',
      message: 'bad',
      runUs: 0,
    });
    const text = parseOldAnswer('{"user_result":"plain text"}');
    expect(Buffer.from(text?.body as Uint8Array).toString()).toBe('"plain text"');
  });

  it('refuses what is none, and never throws', () => {
    for (const text of ['', '<html>', '[]', 'null', '{}', '{"user_result":5}']) expect(parseOldAnswer(text)).toBe(null);
    fc.assert(
      fc.property(fc.json(), (text) => {
        parseOldAnswer(text);
      }),
    );
  });
});

describe('container uids', () => {
  it('never gives one uid to two, and reuses the one that rested longest', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(fc.boolean(), { maxLength: 200 }), (count, steps) => {
        const ids = new UserIds(1000, count);
        const held: number[] = [];
        for (const take of steps) {
          if (take) {
            const id = ids.take();
            if (held.length === count) expect(id).toBe(null);
            else {
              expect(id).toBeGreaterThanOrEqual(1000);
              expect(id).toBeLessThan(1000 + count);
              expect(held).not.toContain(id);
              held.push(id as number);
            }
          } else if (held.length > 0) ids.give(held.shift() as number);
        }
      }),
    );
  });
});
