import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LinearRegression } from '../../src/core/regression.js';

function lineThrough(points: readonly (readonly [number, number])[]): LinearRegression {
  const line = new LinearRegression();
  for (const [x, y] of points) line.add(x, y);
  return line;
}

describe('linear regression', () => {
  it('has no line without two different x', () => {
    expect(lineThrough([]).predict(1)).toBeNull();
    expect(
      lineThrough([
        [0.1, 4],
        [0.1, 9],
        [0.1, 5],
      ]).predict(0.1),
    ).toBeNull();
  });

  it('is the line of least squares', () => {
    // Means 2 and 5; Σ(x−2)² = 2, Σ(x−2)(y−5) = (−1)(−3) + 0 + 1·1 = 4: slope 2, so 5 + 2(x − 2).
    const line = lineThrough([
      [1, 2],
      [2, 7],
      [3, 6],
    ]);
    expect([line.count, line.predict(2), line.predict(10), line.predict(-0.5)]).toEqual([3, 5, 21, 0]);
  });

  it('may pass through the origin and have equal slope and intercept', () => {
    const origin = lineThrough([
      [1, 3],
      [2, 6],
    ]);
    expect(origin.predict(5)).toBeCloseTo(15, 9);
    const equal = lineThrough([
      [0, 2],
      [1, 4],
    ]);
    expect(equal.predict(3)).toBeCloseTo(8, 9);
  });

  it('finds a line again wherever its points are', () => {
    const slope = fc.integer({ min: -50, max: 50 });
    const offset = fc.integer({ min: 0, max: 1_000_000_000_000 });
    const xs = fc.uniqueArray(fc.integer({ min: 0, max: 1_000_000 }), { minLength: 2, maxLength: 60 });
    fc.assert(
      fc.property(slope, offset, xs, (m, far, points) => {
        // 10¹² is what raw sums of squares do not survive: x² alone takes 80 bits.
        const line = lineThrough(points.map((x) => [far + x, m * x + 7]));
        for (const x of points) expect(line.predict(far + x)).toBeCloseTo(m * x + 7, 0);
      }),
    );
  });
});
