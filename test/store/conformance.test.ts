import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../../src/store/memory-store.js';
import type { Store } from '../../src/store/store.js';
import { StoreFolder } from './support/store-folder.js';

/** What every store promises, whatever it keeps things in. */
const STORES: Record<string, () => Promise<{ store: Store } & AsyncDisposable>> = {
  memory: async () => ({ store: new MemoryStore(), [Symbol.asyncDispose]: async () => {} }),
  lmdb: async () => {
    const folder = new StoreFolder();
    return { store: await folder.open(), [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
  },
};

describe.each(Object.entries(STORES))('a store: %s', (_name, make) => {
  it('gives back what was put once it is durable, a copy, with bytes in it', async () => {
    await using made = await make();
    const table = made.store.table<Record<string, unknown>>('functions');
    const value = { name: 'f', list: [1, 2.5, null, true], deep: { bytes: new Uint8Array([0, 255, 7]) } };
    table.put('f', value);
    value.name = 'changed';
    await made.store.durable();
    const back = table.get('f') as typeof value;
    expect({ ...back, deep: { bytes: [...back.deep.bytes] } }).toEqual({
      name: 'f',
      list: [1, 2.5, null, true],
      deep: { bytes: [0, 255, 7] },
    });
    expect(made.store.table('functions')).toBe(table);
    expect(made.store.trouble).toBeNull();
  });

  it('keeps tables apart, replaces and removes', async () => {
    await using made = await make();
    const functions = made.store.table<number>('functions');
    const results = made.store.table<number>('results');
    functions.put('a', 1);
    results.put('a', 2);
    await made.store.durable();
    functions.put('a', 3);
    results.remove('a');
    results.remove('never there');
    await made.store.durable();
    expect([functions.get('a'), results.get('a')]).toEqual([3, undefined]);
    expect([functions.count(), results.count()]).toEqual([1, 0]);
  });

  it('lists in the order of UTF-8 bytes, within a range, at most so many', async () => {
    await using made = await make();
    const table = made.store.table<string>('invocations');
    // In UTF-16 the second-last two would change places.
    const keys = ['', 'a', 'a/1', 'a/10', 'a/2', 'b', 'ß', '\uFFFD', '😀'];
    for (const key of [...keys].reverse()) table.put(key, `value of ${key}`);
    await made.store.durable();
    const listed = (range = {}): string[] => [...table.entries(range)].map(([key]) => key);
    expect(listed()).toEqual(keys);
    expect(listed({ from: 'a/', to: 'a0' })).toEqual(['a/1', 'a/10', 'a/2']);
    expect(listed({ from: 'b', limit: 2 })).toEqual(['b', 'ß']);
    expect(listed({ limit: 0 })).toEqual([]);
    expect([...table.entries({ from: '😀' })]).toEqual([['😀', 'value of 😀']]);
  });

  it('agrees with itself while changes are on their way', async () => {
    await using made = await make();
    const table = made.store.table<number>('results');
    for (const key of ['b', 'd', 'f']) table.put(key, 1);
    await made.store.durable();
    table.put('a', 2);
    table.put('d', 2);
    table.remove('f');
    table.remove('e');
    table.put('g', 2);
    const durable = made.store.durable();
    await durable;
    expect([...table.entries()]).toEqual([
      ['a', 2],
      ['b', 1],
      ['d', 2],
      ['g', 2],
    ]);
    expect(table.count()).toBe(4);
  });

  it('does what belongs together wholly or not at all', async () => {
    await using made = await make();
    const table = made.store.table<number>('schedules');
    made.store.atomically(() => {
      table.put('one', 1);
      table.put('two', 2);
    });
    await made.store.durable();
    expect(table.count()).toBe(2);
  });
});
