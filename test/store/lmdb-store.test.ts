import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Migration } from '../../src/store/schema.js';
import { rejection } from '../worker/support/worker-fixture.js';
import { StoreFolder } from './support/store-folder.js';

describe('the store on disk', () => {
  it('has everything again after it was closed, under the same identity', async () => {
    await using folder = new StoreFolder();
    const first = await folder.open();
    for (let i = 0; i < 1000; i++) first.table('results').put(`r${i}`, { i });
    await folder.close(first);
    const second = await folder.open();
    expect(second.identity).toBe(first.identity);
    expect(second.table('results').count()).toBe(1000);
    expect(second.table('results').get('r999')).toEqual({ i: 999 });
    expect(folder.lines).toEqual([]);
  });

  it('shows changes that are on their way', async () => {
    await using folder = new StoreFolder();
    const store = await folder.open();
    const table = store.table<number>('functions');
    table.put('a', 1);
    expect([table.get('a'), table.count(), [...table.entries()]]).toEqual([1, 1, [['a', 1]]]);
    const durable = store.durable();
    table.put('b', 2);
    table.remove('a');
    expect([table.get('a'), table.count(), [...table.entries()]]).toEqual([undefined, 1, [['b', 2]]]);
    await durable;
    await store.durable();
    expect([...table.entries()]).toEqual([['b', 2]]);
  });

  it('shares one commit among all who ask meanwhile', async () => {
    await using folder = new StoreFolder();
    const store = await folder.open();
    const before = store.commits;
    const put = async (i: number): Promise<void> => {
      store.table('invocations').put(`i${i}`, i);
      await store.durable();
    };
    await Promise.all(Array.from({ length: 64 }, (_, i) => put(i)));
    expect(store.commits).toBe(before + 1);
    await store.durable();
    expect(store.commits).toBe(before + 1);
  });

  it('writes by itself what nobody waits for', async () => {
    await using folder = new StoreFolder();
    const store = await folder.open();
    const before = store.commits;
    store.table('characteristics').put('f', 1);
    await expect.poll(() => store.commits, { timeout: 20_000 }).toBe(before + 1);
  });

  it('throws away what a failing group of changes has put', async () => {
    await using folder = new StoreFolder();
    const store = await folder.open();
    const table = store.table<number>('functions');
    table.put('kept', 1);
    const failing = (): void =>
      store.atomically(() => {
        table.put('thrown away', 1);
        throw new Error('half way');
      });
    expect(failing).toThrow('half way');
    await store.durable();
    expect([...table.entries()]).toEqual([['kept', 1]]);
  });

  it('refuses keys that are too long', async () => {
    await using folder = new StoreFolder();
    const store = await folder.open();
    expect(() => store.table('functions').put('ä'.repeat(251), 1)).toThrow(RangeError);
    store.table('functions').put('ä'.repeat(250), 1);
    await store.durable();
  });

  it('copies a file that was not closed, and loses nothing of it', async () => {
    await using folder = new StoreFolder();
    const first = await folder.open();
    for (let i = 0; i < 300; i++) first.table('results').put(`r${i}`, { text: 'x'.repeat(i * 10) });
    await first.durable();
    first.table('results').remove('r7');
    await first.durable();
    // As a SIGKILL leaves it: the file as it is, the mark that says that it is open.
    const [data, mark] = [readFileSync(folder.file), readFileSync(join(folder.path, 'mark'))];
    await using after = new StoreFolder();
    writeFileSync(join(after.path, 'data-4.mdb'), data);
    writeFileSync(join(after.path, 'mark'), mark);
    const second = await after.open();
    expect(second.table('results').count()).toBe(299);
    expect(second.table<{ text: string }>('results').get('r299')?.text).toHaveLength(2990);
    expect(after.file).toMatch(/data-5\.mdb$/);
    expect(after.lines).toEqual([]);
  });
});

describe('the schema of a store', () => {
  const migrations: Migration[] = [
    {
      version: 2,
      title: 'functions have a colour',
      apply(store) {
        const table = store.table<Record<string, unknown>>('functions');
        for (const [key, value] of table.entries()) table.put(key, { ...value, colour: 'red' });
      },
    },
    {
      version: 3,
      title: 'nothing is called b',
      apply(store) {
        store.table('functions').remove('b');
      },
    },
  ];

  it('is brought up one step after the other, once', async () => {
    await using folder = new StoreFolder();
    const old = await folder.open();
    for (const key of ['a', 'b']) old.table('functions').put(key, { key });
    await folder.close(old);
    const store = await folder.open({ migrations });
    expect([...store.table('functions').entries()]).toEqual([['a', { key: 'a', colour: 'red' }]]);
    expect(folder.lines).toHaveLength(2);
    await folder.close(store);
    await folder.close(await folder.open({ migrations }));
    expect(folder.lines).toHaveLength(2);
  });

  it('is not migrated where it is new', async () => {
    await using folder = new StoreFolder();
    await folder.open({ migrations });
    expect(folder.lines).toEqual([]);
  });

  it('of a newer worker is refused and left as it is', async () => {
    await using folder = new StoreFolder();
    const store = await folder.open({ migrations });
    store.table('functions').put('a', 1);
    await folder.close(store);
    const bytes = readFileSync(folder.file);
    const error = await rejection(folder.open());
    expect(error).toMatchObject({
      errorClass: 'unavailable',
      message: expect.stringContaining('newer worker (schema 3'),
    });
    expect(readFileSync(folder.file).equals(bytes)).toBe(true);
    const again = await folder.open({ migrations });
    expect(again.table('functions').get('a')).toBe(1);
  });
});
