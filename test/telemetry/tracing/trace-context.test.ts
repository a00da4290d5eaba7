import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ring } from '../../../src/telemetry/tracing/ring.js';
import { isSampled } from '../../../src/telemetry/tracing/sampler.js';
import { parseTraceContext, traceparentOf } from '../../../src/telemetry/tracing/trace-context.js';
import { TraceIds } from '../../../src/telemetry/tracing/trace-ids.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('a traceparent', () => {
  it.each([
    ['00', '01', true],
    ['00', '00', false],
    // Other flags are not ours to understand.
    ['00', 'ff', true],
    ['00', '02', false],
  ])('of version %s with flags %s is read', (version, flags, sampled) => {
    const found = parseTraceContext(`${version}-${TRACE}-${SPAN}-${flags}`, 'a=1');
    expect(found).toEqual({ traceId: TRACE, spanId: SPAN, sampled, tracestate: 'a=1' });
  });

  it('of a later version is read as far as it is known', () => {
    expect(parseTraceContext(`cc-${TRACE}-${SPAN}-01-what-comes-later`, '')).toMatchObject({ traceId: TRACE });
    expect(parseTraceContext(`cc-${TRACE}-${SPAN}-01.`, '')).toBe(null);
  });

  it.each([
    ['nothing', ''],
    ['upper case', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['a trace of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['a span of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['version ff', `ff-${TRACE}-${SPAN}-01`],
    ['more than version 00 has', `00-${TRACE}-${SPAN}-01-00`],
    ['a short id', `00-${TRACE.slice(1)}-${SPAN}-01`],
    ['two of them, joined', `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
  ])('that is %s is none', (_what, text) => {
    expect(parseTraceContext(text, '')).toBe(null);
  });

  it('comes back as it was written', () => {
    const ids = new TraceIds();
    fc.assert(
      fc.property(fc.boolean(), (sampled) => {
        const [traceId, spanId] = [ids.trace(), ids.span()];
        const context = { traceId, spanId, sampled, tracestate: '' };
        expect(parseTraceContext(traceparentOf(traceId, spanId, sampled), '')).toEqual(context);
      }),
    );
  });
});

describe('a tracestate', () => {
  const read = (text: string) => parseTraceContext(`00-${TRACE}-${SPAN}-01`, text)?.tracestate;

  it('loses whole members when it is too long, and all of it when it fits no header', () => {
    const long = Array.from({ length: 60 }, (_, i) => `vendor${i}=${'x'.repeat(10)}`).join(',');
    const kept = read(long) as string;
    expect(kept.length).toBeLessThanOrEqual(512);
    expect(long.startsWith(`${kept},`)).toBe(true);
    expect(read('a=1\r\nset-cookie: x')).toBe('');
    expect(read('x'.repeat(600))).toBe('');
  });
});

describe('sampling', () => {
  const ids = new TraceIds();

  it('goes by the caller, unless it is told not to', () => {
    const parent = { traceId: TRACE, spanId: SPAN, sampled: false, tracestate: '' };
    expect(isSampled({ ratio: 1, parentBased: true }, TRACE, parent)).toBe(false);
    expect(isSampled({ ratio: 0, parentBased: true }, TRACE, { ...parent, sampled: true })).toBe(true);
    expect(isSampled({ ratio: 1, parentBased: false }, TRACE, parent)).toBe(true);
  });

  it('takes about the part that is asked for, the same each time, and more with a larger ratio', () => {
    const traces = Array.from({ length: 4000 }, () => ids.trace());
    const taken = (ratio: number) => traces.filter((id) => isSampled({ ratio, parentBased: true }, id, null));
    expect(taken(0)).toEqual([]);
    expect(taken(1)).toEqual(traces);
    const [tenth, half] = [taken(0.1), taken(0.5)];
    // Seven standard deviations.
    expect(Math.abs(tenth.length - 400)).toBeLessThan(7 * Math.sqrt(4000 * 0.1 * 0.9));
    expect(tenth.every((id) => half.includes(id))).toBe(true);
  });
});

describe('a ring', () => {
  it('keeps the latest, in order, and counts what made way', () => {
    const operations = fc.array(fc.oneof(fc.constant('push' as const), fc.integer({ min: 0, max: 5 })));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), operations, (capacity, steps) => {
        const ring = new Ring<number>(capacity);
        const model: number[] = [];
        let dropped = 0;
        steps.forEach((step, i) => {
          if (step === 'push') {
            ring.push(i);
            model.push(i);
            if (model.length > capacity) {
              model.shift();
              dropped++;
            }
          } else expect(ring.take(step)).toEqual(model.splice(0, step));
          expect([ring.length, ring.dropped]).toEqual([model.length, dropped]);
        });
      }),
    );
  });
});
