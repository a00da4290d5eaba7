/** Small pieces of mathematics, written here so that the functions' results are judged without the libraries that made them. */

/** The functions' generator of reproducible data. */
export function generator(seed: number): (n: number) => number {
  let state = seed & 0x7fffffff;
  return (n) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >>> 16) % n;
  };
}

/** Solves `a x = b` by elimination with partial pivoting. */
export function solve(a: readonly (readonly number[])[], b: readonly number[]): number[] {
  const n = b.length;
  const rows = a.map((row, i) => [...row, b[i] as number]);
  const cell = (row: number, column: number): number => rows[row]?.[column] as number;
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let row = column + 1; row < n; row++) {
      if (Math.abs(cell(row, column)) > Math.abs(cell(pivot, column))) pivot = row;
    }
    [rows[column], rows[pivot]] = [rows[pivot] as number[], rows[column] as number[]];
    for (let row = column + 1; row < n; row++) {
      const factor = cell(row, column) / cell(column, column);
      for (let k = column; k <= n; k++) (rows[row] as number[])[k] = cell(row, k) - factor * cell(column, k);
    }
  }
  const x = new Array<number>(n).fill(0);
  for (let row = n - 1; row >= 0; row--) {
    let sum = cell(row, n);
    for (let k = row + 1; k < n; k++) sum -= cell(row, k) * (x[k] as number);
    x[row] = sum / cell(row, row);
  }
  return x;
}

export interface LogisticModel {
  weights: number[];
  intercept: number;
}

/** Logistic regression with half the squared weights as penalty (the intercept is free), by Newton's method. */
export function trainLogistic(features: readonly (readonly number[])[], labels: readonly number[]): LogisticModel {
  const width = (features[0]?.length ?? 0) + 1;
  let w = new Array<number>(width).fill(0);
  for (let round = 0; round < 30; round++) {
    const gradient = w.map((value, i) => (i === width - 1 ? 0 : value));
    const hessian = w.map((_, i) => w.map((_, j) => (i === j && i < width - 1 ? 1 : 0)));
    for (const [index, row] of features.entries()) {
      const x = [...row, 1];
      const p = 1 / (1 + Math.exp(-dot(x, w)));
      for (let i = 0; i < width; i++) {
        const xi = x[i] as number;
        if (xi === 0) continue;
        gradient[i] = (gradient[i] as number) + (p - (labels[index] as number)) * xi;
        const target = hessian[i] as number[];
        for (let j = 0; j < width; j++) target[j] = (target[j] as number) + p * (1 - p) * xi * (x[j] as number);
      }
    }
    const step = solve(hessian, gradient);
    w = w.map((value, i) => value - (step[i] as number));
    if (Math.max(...step.map(Math.abs)) < 1e-10) break;
  }
  return { weights: w.slice(0, -1), intercept: w.at(-1) as number };
}

export function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
}

/** Term frequency times inverse document frequency (smoothed), each document of length one; the vocabulary is that of the first `fitted`. */
export function tfIdf(documents: readonly string[], fitted: number): { names: string[]; rows: number[][] } {
  const words = documents.map((text) => text.split(' '));
  const names = [...new Set(words.slice(0, fitted).flat())].sort();
  const idf = names.map((name) => {
    const count = words.slice(0, fitted).filter((list) => list.includes(name)).length;
    return Math.log((1 + fitted) / (1 + count)) + 1;
  });
  const rows = words.map((list) => {
    const row = names.map((name, i) => list.filter((word) => word === name).length * (idf[i] as number));
    const length = Math.sqrt(dot(row, row)) || 1;
    return row.map((value) => value / length);
  });
  return { names, rows };
}
