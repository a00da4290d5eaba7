import type { LmdbStore } from '../../../../src/store/lmdb-store.js';
import { MemoryStore } from '../../../../src/store/memory-store.js';
import type { Store } from '../../../../src/store/store.js';
import { StoreFolder } from '../../../store/support/store-folder.js';
import { LossyStore } from './lossy-store.js';

/** One store over several lives of a worker: what `open` gives has what the life before left. */
export interface StoreUnderTest {
  open(): Promise<Store>;
  /** In order: all is written. */
  close(): Promise<void>;
  /** For good. */
  remove(): Promise<void>;
}

/** What the suites run on. One that is on a disk opens the same folder again. */
export const STORES: readonly [name: string, create: () => StoreUnderTest][] = [
  ['a store in memory', () => inMemory()],
  ['a store that loses what is not durable', () => lossy()],
  ['the store on disk', () => onDisk()],
];

function inMemory(): StoreUnderTest {
  const store = new MemoryStore();
  return { open: async () => store, close: async () => {}, remove: async () => {} };
}

function lossy(): StoreUnderTest {
  let store = new LossyStore();
  return {
    open: async () => {
      store = store.crash();
      return store;
    },
    close: async () => await store.durable(),
    remove: async () => {},
  };
}

function onDisk(): StoreUnderTest {
  const folder = new StoreFolder();
  let store: LmdbStore | null = null;
  const close = async (): Promise<void> => {
    if (store !== null) await folder.close(store);
    store = null;
  };
  return {
    open: async () => {
      await close();
      store = await folder.open();
      return store;
    },
    close,
    remove: async () => await folder[Symbol.asyncDispose](),
  };
}
