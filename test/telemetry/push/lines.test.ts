import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { graphiteLines } from '../../../src/telemetry/push/graphite-lines.js';
import { lineOf } from '../../../src/telemetry/push/line-protocol.js';
import { fraction, type Point, whole } from '../../../src/telemetry/push/point.js';

const point = (overrides: Partial<Point> = {}): Point => ({
  measurement: 'worker_load',
  tags: { node_type: 'worker', name: 'w 1' },
  fields: [fraction('cpu_util', 12.5), whole('cpu_queue_len', 3)],
  path: ['w 1', 'worker_load'],
  timeMs: 1_700_000_000_999,
  ...overrides,
});

describe("InfluxDB's line protocol", () => {
  it('has tags in order, whole numbers as such, and times in ms', () => {
    expect(lineOf(point())).toBe(
      'worker_load,name=w\\ 1,node_type=worker cpu_util=12.5,cpu_queue_len=3i 1700000000999\n',
    );
  });

  it('leaves out what cannot be written', () => {
    expect(lineOf(point({ fields: [fraction('a', Number.NaN), fraction('b', 1)], tags: { x: '' } }))).toBe(
      'worker_load b=1 1700000000999\n',
    );
    expect(lineOf(point({ fields: [fraction('a', Number.POSITIVE_INFINITY)] }))).toBe('');
  });

  it('is one line of three parts, whatever names and values hold', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true }), (name, tag, value) => {
        const line = lineOf(point({ tags: { tag: name, other: tag }, fields: [fraction('f', value)] }));
        expect(line.match(/\n/g)).toHaveLength(1);
        // Separators that no backslash takes.
        expect(line.trimEnd().match(/(?<!\\) /g)).toHaveLength(2);
      }),
    );
  });
});

describe("Carbon's plaintext", () => {
  it('has a line for each field, in whole seconds', () => {
    expect(graphiteLines(point(), 'il', {})).toBe(
      'il.w_1.worker_load.cpu_util 12.5 1700000000\nil.w_1.worker_load.cpu_queue_len 3 1700000000\n',
    );
  });

  it('has tags where they are wanted, and neither dots nor spaces inside a node', () => {
    const text = graphiteLines(point({ path: ['a.b', 'f@1'], fields: [whole('n', 1)] }), '', { dc: 'x;y', none: '' });
    expect(text).toBe('a_b.f_1.n;dc=x_y 1 1700000000\n');
  });
});
