/**
 * Numbers of clients from text: `1,2,5`, `1..8` (each), and `1,2,4,...,64`, which goes on by the ratio of the two before where that is whole, else by their difference.
 * Null = it is no such text.
 */
export function clientCounts(text: string): number[] | null {
  const counts: number[] = [];
  const parts = text.split(',').map((part) => part.trim());
  for (const [i, part] of parts.entries()) {
    if (part === '...' || part === '…') {
      const [first, second, last] = [counts.at(-2), counts.at(-1), Number(parts[i + 1])];
      if (first === undefined || second === undefined || second <= first || !(last > second)) return null;
      const next = second % first === 0 ? (n: number) => n * (second / first) : (n: number) => n + second - first;
      for (let n = next(second); n < last; n = next(n)) counts.push(n);
      continue;
    }
    const [, from, to] = /^(\d+)(?:\.\.(\d+))?$/.exec(part) ?? [];
    if (from === undefined) return null;
    for (let n = Number(from); n <= Number(to ?? from); n++) counts.push(n);
  }
  const sorted = [...new Set(counts)].sort((a, b) => a - b);
  return sorted.length > 0 && (sorted[0] as number) >= 1 && (sorted.at(-1) as number) <= MOST ? sorted : null;
}

export const MOST = 4096;
