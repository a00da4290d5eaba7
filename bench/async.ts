import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadBackends } from '../src/backends/backends.js';
import { parseConfig } from '../src/config/load.js';
import { closeLog, createLog } from '../src/telemetry/logs/log.js';
import { NO_SOCKETS } from '../src/worker/daemon/inherited-sockets.js';
import { LocalClient } from '../src/worker/local-client.js';
import { Shard } from '../src/worker/shard.js';
import { openBareLmdb, openStore } from './lib/durable-puts.js';
import { atLeast, type Bench, machine, median } from './lib/result.js';

/**
 * Asynchronous invocations a second, each acknowledged once it is durable, by a worker on this thread: accepted alone (its function is held by a long run), and accepted, run on a
 * simulated container, stored and read. Beside it, in the same rounds, as many bytes put into LMDB alone with a group commit.
 */

const ARGS = Buffer.from(JSON.stringify({ text: 'x'.repeat(400) }));
/** As the record of an acceptance, encoded: as many bytes, under keys that are as long, all new, and in the same order. */
const RECORD = Buffer.alloc(562, 7);
const keyOf = (index: number): string => `a/${String(index).padStart(36, '0')}`;
const ROUND_MS = 700;

async function rate(clients: number, once: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  let count = 0;
  const client = async (): Promise<void> => {
    for (; performance.now() - start < ROUND_MS; count++) await once();
  };
  await Promise.all(Array.from({ length: clients }, client));
  return count / ((performance.now() - start) / 1000);
}

export const bench: Bench = {
  name: 'async',
  title: 'Asynchronous invocations accepted a second with durability, beside LMDB alone',
  async run({ long, log }) {
    const folder = await mkdtemp(join(tmpdir(), 'iluvatar-bench-async-'));
    const config = parseConfig({
      name: 'bench-async',
      dataDir: join(folder, 'data'),
      threads: false,
      http: { enabled: false },
      backends: { process: { enabled: false }, simulated: { enabled: true } },
      defaultBackends: ['simulated'],
      async: { maxUnfinished: 10_000_000 },
    });
    const { store, onDisk } = await openStore(folder);
    const lmdb = await openBareLmdb(folder);
    const workerLog = createLog(config);
    const shard = new Shard({
      config,
      log: workerLog,
      store,
      backends: await loadBackends(config),
      sockets: NO_SOCKETS,
      ask: () => Promise.reject(new Error('there is no process to ask')),
    });
    try {
      await shard.start();
      const worker = new LocalClient(shard.gateway);
      for (const [name, run] of [
        ['held', 600_000_000],
        ['quick', 0],
      ] as const) {
        const source = join(folder, name);
        await mkdir(source);
        await writeFile(join(source, 'simulated.json'), JSON.stringify({ run, result: 'done' }));
        const definition = {
          name,
          source,
          memoryMb: 1,
          timeoutMs: 3_600_000,
          async: { concurrency: name === 'held' ? 1 : 64 },
        };
        await worker.call('register', { definition });
      }
      const accept = (name: string) => worker.call('invokeAsync', { name }, ARGS) as Promise<{ id: string }>;
      let puts = 0;
      const measured: Record<string, () => Promise<unknown>> = {
        accepted: () => accept('held'),
        ...(lmdb === null ? {} : { lmdb: () => lmdb.put(keyOf(puts++), RECORD) }),
        ended: async () => await worker.call('result', { id: (await accept('quick')).id, waitMs: 60_000 }),
      };
      const rates = new Map<string, number[]>();
      for (let round = -1; round < (long ? 15 : 5); round++) {
        for (const clients of [1, 64]) {
          for (const [name, once] of Object.entries(measured)) {
            const value = await rate(clients, once);
            log(`round ${round}, ${clients} at once, ${name}: ${value.toFixed(0)}/s`);
            const key = `${name}${clients}`;
            if (round >= 0) rates.set(key, [...(rates.get(key) ?? []), value]);
          }
        }
      }
      const of = (key: string): number => median(rates.get(key) ?? [Number.NaN]);
      const [one, many] = ['accepted/s, 1 client', 'accepted/s, 64 clients'] as const;
      const figures = {
        [one]: of('accepted1'),
        [many]: of('accepted64'),
        'accepted, run and read/s, 1 client': of('ended1'),
        'accepted, run and read/s, 64 clients': of('ended64'),
      };
      const floor: Record<string, number> = lmdb === null ? {} : { [one]: of('lmdb1'), [many]: of('lmdb64') };
      const ratio = { [one]: of('accepted1') / of('lmdb1'), [many]: of('accepted64') / of('lmdb64') };
      return {
        name: 'async',
        machine: machine(),
        figures,
        floor,
        ratios: lmdb === null ? {} : ratio,
        targets: onDisk && lmdb !== null ? [atLeast('64 clients / LMDB alone', ratio[many], 0.5)] : [],
        notes: onDisk
          ? ['floor: as many bytes put into LMDB alone, under keys in the same order, with the same group commit']
          : ['this tree has no store on a disk: what is measured forgets, and there is no floor'],
      };
    } finally {
      await shard.stop(0);
      await store.close();
      await lmdb?.close();
      await closeLog(workerLog);
      await rm(folder, { recursive: true, force: true });
    }
  },
};
