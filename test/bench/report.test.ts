import { describe, expect, it } from 'vitest';
import { printResult, verdict } from '../../bench/lib/report.js';
import { atLeast, atMost, type BenchResult } from '../../bench/lib/result.js';

function resultWith(more: Partial<BenchResult>): BenchResult {
  return {
    name: 'sample',
    machine: { cpu: 'Some CPU', cores: 2, memoryGb: 8, kernel: '6.1', node: 'v20.0.0', date: '2026-01-02' },
    figures: {},
    floor: {},
    ratios: {},
    targets: [],
    notes: [],
    ...more,
  };
}

function printed(result: BenchResult): string[] {
  const lines: string[] = [];
  printResult(result, (line) => lines.push(line));
  return lines;
}

describe('verdict', () => {
  it('counts what holds', () => {
    const result = resultWith({ targets: [atMost('p50', 1, 2), atLeast('rate', 3, 2)] });
    expect(verdict(result)).toEqual({ ok: true, line: 'sample: all 2 targets hold' });
  });

  it('names what is missed and by how much, and nothing else', () => {
    const result = resultWith({ targets: [atMost('p50', 3, 2), atLeast('rate', 1.5, 2), atMost('fine', 1, 2)] });
    const { ok, line } = verdict(result);
    expect(ok).toBe(false);
    expect(line).toBe('sample: missed 2 of 3: p50 3 (limit ≤ 2, off by 50 %); rate 1.500 (limit ≥ 2, off by 25 %)');
  });

  it('says the difference where the limit is nought', () => {
    const { line } = verdict(resultWith({ targets: [atMost('lost', 3, 0)] }));
    expect(line).toBe('sample: missed 1 of 1: lost 3 (limit ≤ 0, off by 3)');
  });

  it('does not pass without having measured', () => {
    const { ok, line } = verdict(resultWith({ targets: [atMost('p50', Number.NaN, 2)] }));
    expect(ok).toBe(false);
    expect(line).toBe('sample: missed 1 of 1: p50 NaN (limit ≤ 2, not measured)');
  });
});

describe('printResult', () => {
  const lines = printed(
    resultWith({
      figures: { 'p50 µs': 12.345, rate: 123_456.7 },
      floor: { 'p50 µs': 10, 'only the floor': 0.12345 },
      ratios: { 'p50 µs': 1.2345 },
      targets: [atMost('p50 / floor', 1.2345, 1.5), atLeast('rate', 1, 2)],
      notes: ['a note'],
    }),
  );

  it('names the bench and the machine', () => {
    expect(lines[0]).toBe('sample — 2 × Some CPU, Linux 6.1, Node v20.0.0, 2026-01-02');
  });

  it('has one row for each figure or floor, with the figure, its floor and their ratio', () => {
    const cells = lines.slice(1, 5).map((line) => line.trim().split(/ {2,}/));
    expect(cells).toEqual([
      ['figure', 'ours', 'floor', 'ratio'],
      ['p50 µs', '12.3', '10', '1.234'],
      ['rate', '123457'],
      ['only the floor', '0.123'],
    ]);
  });

  it('aligns columns to the right of the first', () => {
    const [head = '', row = ''] = lines.slice(1, 3);
    expect(head.indexOf('ours') + 'ours'.length).toBe(row.indexOf('12.3') + '12.3'.length);
    expect(head.length).toBe(row.length);
  });

  it('says of each target whether it holds, and prints the notes', () => {
    expect(lines.find((line) => line.startsWith('p50 / floor'))).toMatch(/1\.234\s+≤ 1\.500\s+holds$/);
    expect(lines.find((line) => line.startsWith('rate') && line.includes('≥'))).toMatch(/1\s+≥ 2\s+MISSED$/);
    expect(lines.at(-1)).toBe('  a note');
  });
});
