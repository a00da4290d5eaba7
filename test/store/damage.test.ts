import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { StoreFolder } from './support/store-folder.js';

/** A file in use, as SIGKILL would leave it, and what is in it. */
interface Sample {
  readonly data: Buffer;
  readonly mark: Buffer;
  readonly closedMark: Buffer;
  readonly closedData: Buffer;
  readonly content: Map<string, unknown>;
}

/** Values small and large (of several pages), replaced and removed, over many commits: so there are free pages and stale ones. */
async function makeSample(): Promise<Sample> {
  await using folder = new StoreFolder();
  const store = await folder.open({ lazyMs: 60_000 });
  const content = new Map<string, unknown>();
  const table = store.table<unknown>('results');
  for (let i = 0; i < 200; i++) {
    const key = `k${(i * 37) % 120}`;
    if (i % 9 === 8) {
      table.remove(key);
      content.delete(key);
    } else {
      const value = { i, text: 'x'.repeat(i % 20 === 0 ? 20_000 : 40 + i) };
      table.put(key, value);
      content.set(key, value);
    }
    if (i % 5 === 0) await store.durable();
  }
  await store.durable();
  const [data, mark] = [readFileSync(folder.file), readFileSync(join(folder.path, 'mark'))];
  await folder.close(store);
  const [closedData, closedMark] = [readFileSync(folder.file), readFileSync(join(folder.path, 'mark'))];
  return { data, mark, closedMark, closedData, content };
}

describe('a damaged store', () => {
  let sample: Sample;
  beforeAll(async () => {
    sample = await makeSample();
  });

  /** Opens what is left of the sample: it must have all, or have set the file aside and nothing. */
  async function open(data: Buffer, mark: Buffer | null): Promise<'whole' | 'set aside'> {
    await using folder = new StoreFolder();
    writeFileSync(join(folder.path, 'data-1.mdb'), data);
    if (mark !== null) writeFileSync(join(folder.path, 'mark'), mark);
    const store = await folder.open();
    const found = new Map(store.table<unknown>('results').entries());
    const outcome = folder.aside.length === 0 ? 'whole' : 'set aside';
    expect(Object.fromEntries(found)).toEqual(outcome === 'whole' ? Object.fromEntries(sample.content) : {});
    expect(folder.lines).toHaveLength(outcome === 'whole' ? 0 : 1);
    if (outcome === 'set aside')
      expect(readFileSync(join(folder.path, folder.aside[0] as string)).equals(data)).toBe(true);
    store.table('functions').put('after', 1);
    await store.durable();
    await folder.close(store);
    expect((await folder.open()).table('functions').get('after')).toBe(1);
    return outcome;
  }

  it('is not one that was killed, nor one that was closed', async () => {
    expect(await open(sample.data, sample.mark)).toBe('whole');
    expect(await open(sample.closedData, sample.closedMark)).toBe('whole');
    expect(await open(sample.data, null)).toBe('whole');
  });

  it('is whole or set aside wherever it is cut', async () => {
    const { data, mark } = sample;
    for (const length of [0, 1, 4095, 4096, 8191, 8192, 8193, data.length - 4096, data.length - 1])
      await open(data.subarray(0, length), mark);
    const places = fc.integer({ min: 0, max: data.length - 1 });
    await fc.assert(
      fc.asyncProperty(places, async (length) => void (await open(data.subarray(0, length), mark))),
      { numRuns: 15 },
    );
  }, 240_000);

  it('is whole or set aside whichever bits are flipped', async () => {
    const { data, mark } = sample;
    const outcomes: string[] = [];
    const bit = fc.tuple(fc.integer({ min: 0, max: data.length - 1 }), fc.integer({ min: 0, max: 7 }));
    // The first two pages say where everything is.
    const meta = fc.tuple(
      fc.integer({ min: 0, max: 2 * 4096 - 1 }).filter((at) => at % 4096 < 176),
      fc.integer({ min: 0, max: 7 }),
    );
    const flips = fc.oneof(
      fc.array(bit, { minLength: 1, maxLength: 1 }),
      fc.array(bit, { minLength: 20, maxLength: 400 }),
      fc.tuple(meta),
    );
    await fc.assert(
      fc.asyncProperty(flips, async (places) => {
        const flipped = Buffer.from(data);
        for (const [at, shift] of places) flipped[at] = (flipped[at] as number) ^ (1 << shift);
        outcomes.push(await open(flipped, mark));
      }),
      { numRuns: 60 },
    );
    expect(outcomes).toContain('set aside');
  }, 300_000);

  it('is set aside when its newest commit was damaged away', async () => {
    const { data, mark } = sample;
    // Of LMDB's two meta pages the one with the higher transaction counts: without it the file is a good one, of before the last commit.
    const at = [0, 1].map((page) => page * 4096);
    const txn = at.map((start) => data.readBigUInt64LE(start + 16 + 8 + 8 + 8 + 8 + 2 * 48 + 8));
    expect(Math.abs(Number((txn[0] as bigint) - (txn[1] as bigint)))).toBe(1);
    const newest = at[(txn[0] as bigint) > (txn[1] as bigint) ? 0 : 1] as number;
    const older = Buffer.from(data);
    older.writeBigUInt64LE(1n, newest + 16 + 8 + 8 + 8 + 8 + 2 * 48 + 8);
    expect(await open(older, mark)).toBe('set aside');
  });

  it('is good again from its entries when only the mark is damaged', async () => {
    const mark = Buffer.from(sample.closedMark);
    mark[30] = (mark[30] as number) ^ 1;
    expect(await open(sample.closedData, mark)).toBe('whole');
    expect(await open(sample.closedData, Buffer.from('nonsense'))).toBe('whole');
  });

  it('whose file has gone says so and begins anew', async () => {
    await using folder = new StoreFolder();
    writeFileSync(join(folder.path, 'mark'), sample.mark);
    const store = await folder.open();
    expect(store.table('results').count()).toBe(0);
    expect(folder.lines).toEqual(['the store’s file is gone; a new one is begun']);
  });
});
