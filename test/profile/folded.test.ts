import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CpuProfile, ProfileNode } from '../../src/telemetry/profile/cpu-profile.js';
import { flameGraph, flameGraphPage } from '../../src/telemetry/profile/flame-graph.js';
import { layOut } from '../../src/telemetry/profile/flame-tree.js';
import { fold, foldedText, loadOf } from '../../src/telemetry/profile/folded.js';

function node(id: number, functionName: string, children: number[] = [], url = ''): ProfileNode {
  return { id, callFrame: { functionName, url, lineNumber: 9, columnNumber: 0 }, children };
}

const PROFILE: CpuProfile = {
  nodes: [
    node(1, '(root)', [2, 5]),
    node(2, 'outer', [3, 4], 'file:///somewhere/app/dist/core/engine.js'),
    node(3, 'inner', [], 'node:events'),
    node(4, '', [], '/somewhere/node_modules/pino/pino.js'),
    node(5, '(idle)'),
  ],
  startTime: 0,
  endTime: 100,
  samples: [2, 3, 3, 5, 4, 2],
  timeDeltas: [5, 10, 20, 30, 25, -1],
};

describe('folded stacks', () => {
  it('give each sample the time until the next, and leave idle time out', () => {
    expect(foldedText(fold([{ thread: 'shard-0', profile: PROFILE }]))).toBe(
      [
        'shard-0;outer (dist/core/engine.js:10) 10\n',
        'shard-0;outer (dist/core/engine.js:10);(anonymous) (node_modules/pino/pino.js:10) 0\n',
        'shard-0;outer (dist/core/engine.js:10);inner (node:events:10) 50\n',
      ].join(''),
    );
    expect(fold([{ thread: 'main', profile: PROFILE }], { idle: true }).get('main;(idle)')).toBe(25);
  });

  it('say how busy a thread was, and with what', () => {
    const load = loadOf({ thread: 'main', profile: PROFILE }, 1);
    expect(load).toMatchObject({ thread: 'main', samples: 6, top: [{ frame: 'inner (node:events:10)', us: 50 }] });
    expect(load.busy).toBeCloseTo(60 / 85);
  });

  it('take recursion of any depth, and names with separators', () => {
    const depth = 20_000;
    const nodes = Array.from({ length: depth }, (_, i) =>
      node(i + 1, i === 0 ? '(root)' : 'a;b\nc', i + 1 < depth ? [i + 2] : []),
    );
    const stacks = fold([{ thread: 't', profile: { ...PROFILE, nodes, samples: [depth, depth], timeDeltas: [0, 7] } }]);
    const [[stack, us]] = [...stacks] as [[string, number]];
    expect([stack.split(';').length, stack.startsWith('t;a:b c;'), us]).toEqual([depth, true, 7]);
  });
});

describe('a flame graph', () => {
  it('has each box within the one below it, and as wide as what is above it at least', () => {
    const frame = fc.constantFrom('a', 'b', 'c', 'd');
    const stack = fc.array(frame, { minLength: 1, maxLength: 6 }).map((frames) => frames.join(';'));
    const stacks = fc.uniqueArray(fc.tuple(stack, fc.integer({ min: 1, max: 1000 })), {
      selector: ([name]) => name,
      maxLength: 30,
    });
    fc.assert(
      fc.property(stacks, (entries) => {
        const { boxes, totalUs } = layOut(new Map(entries), 0);
        expect(totalUs).toBe(entries.reduce((sum, [, us]) => sum + us, 0));
        for (const box of boxes.filter(({ depth }) => depth > 0)) {
          const below = boxes.filter(
            ({ depth, at, us }) => depth === box.depth - 1 && at <= box.at && at + us >= box.at + box.us,
          );
          expect(below.length).toBe(1);
        }
        for (const depth of new Set(boxes.map((box) => box.depth))) {
          const row = boxes.filter((box) => box.depth === depth).sort((a, b) => a.at - b.at);
          for (let i = 1; i < row.length; i++) {
            const [left, right] = [row[i - 1], row[i]] as [(typeof row)[0], (typeof row)[0]];
            expect(left.at + left.us).toBeLessThanOrEqual(right.at);
          }
        }
      }),
    );
  });

  it('is one file with a title for each box, whatever names are in it', () => {
    const stacks = new Map([
      ['main;<a> "b" & \u0001c', 30],
      ['main;d', 70],
    ]);
    const svg = flameGraph(stacks, { title: 'x < y' });
    expect(svg).toContain('<title>&lt;a&gt; &quot;b&quot; &amp; ?c: 0.03 ms, 30.00 %</title>');
    expect(svg).toContain('x &lt; y');
    expect(svg.match(/<g class="box"/g)?.length).toBe(4);
    expect(svg).not.toMatch(/(?:href|src)=/);
    expect(flameGraph(stacks, { title: 'x < y' })).toBe(svg);
    const page = flameGraphPage(stacks, { title: 'x' });
    expect(page).not.toContain('CDATA');
    expect(page).toContain('<script>');
    expect(flameGraph(new Map(), { title: 'nothing' })).toContain('0.0 ms');
  });
});
