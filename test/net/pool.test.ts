import { describe, expect, it } from 'vitest';
import type { ContainerFailure } from '../../src/core/ports.js';
import { AddressAllocator, type Allocation } from '../../src/net/address-allocator.js';
import { NamespacePool } from '../../src/net/namespace-pool.js';
import { parseRange, type Range } from '../../src/net/range.js';

/** The pool with a maker that keeps books instead of namespaces. */

class Books {
  readonly there = new Set<string>();
  readonly batches: number[] = [];
  fail: string | null = null;

  async make(allocations: readonly Allocation[]): Promise<(Error | null)[]> {
    await null;
    this.batches.push(allocations.length);
    return allocations.map(({ address }) => {
      if (this.fail !== null) return new Error(this.fail);
      // Two containers at one address is what must never happen.
      if (this.there.has(address)) throw new Error(`${address} is there already`);
      this.there.add(address);
      return null;
    });
  }

  async remove(allocations: readonly Allocation[]): Promise<void> {
    await null;
    if (this.fail !== null) throw new Error(this.fail);
    for (const { address } of allocations) if (!this.there.delete(address)) throw new Error(`${address} is not there`);
  }
}

interface Rig {
  pool: NamespacePool<Allocation>;
  books: Books;
  allocator: AddressAllocator;
  warnings: string[];
  /** Kept ready by somebody else, who gives one back when asked. */
  kept: Allocation[];
  shortages: () => number;
}

function rig(marks: { low: number; high: number; idleMs?: number }, bridges = 2, portsPerBridge = 4): Rig {
  const allocator = new AddressAllocator(parseRange('10.0.0.0/16') as Range, { bridges, portsPerBridge });
  const books = new Books();
  const warnings: string[] = [];
  const kept: Allocation[] = [];
  let shortages = 0;
  const pool: NamespacePool<Allocation> = new NamespacePool(
    allocator,
    books,
    { idleMs: 60_000, ...marks },
    { warn: (_, text) => warnings.push(text) },
    {
      recall() {
        const one = kept.pop();
        if (one !== undefined) setTimeout(() => pool.give(one), 5);
        return one !== undefined;
      },
      short() {
        shortages++;
      },
    },
  );
  return { pool, books, allocator, warnings, kept, shortages: () => shortages };
}

function take(pool: NamespacePool<Allocation>, urgent = true): Promise<Allocation> {
  return new Promise((resolve, reject) =>
    pool.take((allocation, failure) => {
      if (allocation === null) reject(Object.assign(new Error(), failure as ContainerFailure));
      else resolve(allocation);
    }, urgent),
  );
}

describe('the pool of namespaces', () => {
  it('fills to its high mark, hands out at once, and fills again below its low mark', async () => {
    const { pool, books } = rig({ low: 2, high: 4 });
    pool.fill();
    await expect.poll(() => pool.ready).toBe(4);
    expect(books.batches).toEqual([4]);
    let got: Allocation | null = null;
    pool.take((allocation) => {
      got = allocation;
    });
    expect(got).not.toBeNull();
    await take(pool);
    expect([pool.ready, pool.inUse]).toEqual([2, 2]);
    await take(pool);
    await expect.poll(() => pool.ready).toBe(4);
    expect(pool.counters).toMatchObject({ hits: 3, misses: 0, made: 7, failed: 0 });
    await pool.close();
    expect([...books.there]).toEqual([]);
  });

  it('makes for those who wait, in batches', async () => {
    const { pool, books, allocator } = rig({ low: 0, high: 1 }, 1, 100);
    const all = await Promise.all(Array.from({ length: 40 }, () => take(pool)));
    expect(new Set(all.map(({ address }) => address)).size).toBe(40);
    expect(Math.max(...books.batches)).toBeLessThanOrEqual(16);
    for (const one of all) pool.give(one);
    await expect.poll(() => allocator.taken).toBe(pool.ready);
    expect(() => pool.give(all[0] as Allocation)).toThrow('not in use');
    await pool.close();
    expect([allocator.taken, books.there.size]).toEqual([0, 0]);
  });

  it('says overloaded when every address is out, and serves again when one comes back', async () => {
    const { pool } = rig({ low: 0, high: 1 }, 1, 2);
    const [first] = [await take(pool), await take(pool)];
    await expect(take(pool)).rejects.toMatchObject({ errorClass: 'overloaded' });
    pool.give(first as Allocation);
    // It is still being removed: worth waiting for.
    expect((await take(pool)).address).toBe(first?.address);
    await pool.close();
  });

  it('recalls what others only keep ready when a start waits, and what is made ahead gets none', async () => {
    const { pool, kept, shortages } = rig({ low: 0, high: 1 }, 1, 3);
    kept.push(await take(pool), await take(pool));
    await take(pool);
    // Made ahead: refused, and nobody is asked for theirs.
    await expect(take(pool, false)).rejects.toMatchObject({ errorClass: 'overloaded' });
    expect([kept.length, shortages()]).toEqual([2, 0]);
    const [one, two] = await Promise.all([take(pool), take(pool)]);
    expect([new Set([one?.address, two?.address]).size, kept.length]).toEqual([2, 0]);
    await expect(take(pool)).rejects.toMatchObject({ errorClass: 'overloaded' });
    expect(shortages()).toBe(1);
    await pool.close();
  });

  it('serves a start before what is made ahead', async () => {
    const { pool } = rig({ low: 0, high: 1 }, 1, 2);
    const held = [await take(pool), await take(pool)];
    pool.give(held[0] as Allocation);
    const order: string[] = [];
    await Promise.all([
      take(pool, false).then(
        () => order.push('ahead'),
        () => order.push('refused'),
      ),
      take(pool).then(() => order.push('start')),
    ]);
    expect(order[0]).toBe('start');
    await pool.close();
  });

  it('shrinks to its low mark when nothing is taken', async () => {
    const { pool, books } = rig({ low: 1, high: 5, idleMs: 200 });
    pool.fill();
    await expect.poll(() => pool.ready).toBe(5);
    await expect.poll(() => books.there.size).toBe(1);
    await take(pool);
    await expect.poll(() => pool.ready).toBe(5);
    await expect.poll(() => pool.ready).toBe(1);
    await pool.close();
    expect(books.there.size).toBe(0);
  });

  it('tells those who wait why nothing could be made, and gives the addresses back', async () => {
    const { pool, books, allocator, warnings } = rig({ low: 1, high: 2 });
    books.fail = 'EPERM: not allowed';
    await expect(take(pool)).rejects.toMatchObject({
      errorClass: 'start_failed',
      message: 'no network namespace: EPERM: not allowed',
      transient: true,
    });
    expect([allocator.taken, warnings.length]).toEqual([0, 1]);
    books.fail = null;
    await take(pool);
    await pool.close();
  });

  it('keeps the address of what could not be removed', async () => {
    const { pool, books, allocator, warnings } = rig({ low: 0, high: 1 }, 1, 3);
    const stuck = await take(pool);
    books.fail = 'EBUSY';
    pool.give(stuck);
    await expect.poll(() => warnings).toContain('network namespaces could not be removed');
    books.fail = null;
    const others = [await take(pool), await take(pool)];
    expect(others.map(({ address }) => address)).not.toContain(stuck.address);
    await expect(take(pool)).rejects.toMatchObject({ errorClass: 'overloaded' });
    expect(allocator.taken).toBe(3);
    await pool.close();
  });

  it('refuses those who wait when it is closed, and removes what was being made', async () => {
    const { pool, books } = rig({ low: 1, high: 3 });
    const waiting = take(pool);
    const closed = pool.close();
    await expect(waiting).rejects.toMatchObject({ errorClass: 'unavailable' });
    await closed;
    expect(books.there.size).toBe(0);
  });
});
