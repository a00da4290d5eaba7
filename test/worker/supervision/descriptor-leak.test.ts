import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { describeWith } from '../../support/requirement.js';
import { FaultyWorker } from './faulty-worker.js';

const PATIENCE = { timeout: 45_000 };
const CLIENTS = 60;
/** In a process of its own: the other ends of its connections would be descriptors of this one. Ends with its input. */
const CONNECT = `
  const net = require('node:net');
  for (let i = 0; i < ${CLIENTS}; i++) net.connect(process.argv[1]);
  process.stdin.resume().on('end', () => process.exit());
`;

describeWith({ root: true, cgroups: true }, 'descriptors that are left open', () => {
  it('are noticed while nothing runs, said once in the log, and noted in health; clients and containers are none', async () => {
    const descriptors = { checkMs: 50, growth: 50 };
    await using worker = await FaultyWorker.start({ supervision: { descriptors, health: { enabled: true, port: 0 } } });
    await using client = await worker.connect();
    await client.register({ name: 'kept', source: worker.source });
    const connections = async () => (await client.status()).counters['connections'] as number;
    const notes = async (): Promise<string> => {
      await client.invoke('kept');
      return (await client.health()).notes.filter((note) => note.includes('descriptors')).join();
    };
    // Its one container stays, so that what is counted may settle.
    for (let i = 0; i < 50; i++) expect(await notes()).toBe('');
    const alone = await connections();
    const clients = spawn(process.execPath, ['-e', CONNECT, worker.socket], { stdio: ['pipe', 'ignore', 'inherit'] });
    try {
      await expect.poll(connections, PATIENCE).toBeGreaterThanOrEqual(alone + CLIENTS);
      for (let i = 0; i < 50; i++) expect(await notes()).toBe('');
      worker.shardFault('leak');
      await expect.poll(notes, PATIENCE).toMatch(/\d+ more descriptors are open than before.*100 × \/dev\/null/);
      expect((await client.health()).healthy).toBe(true);
    } finally {
      const exit = once(clients, 'exit');
      clients.stdin.end();
      await exit;
    }
    await expect.poll(connections, PATIENCE).toBeLessThan(alone + CLIENTS);
    expect(await notes()).not.toBe('');
    const said = (): string[] => worker.shardLog().filter((line) => line.includes('open descriptors have grown'));
    // Lines are written in batches.
    await expect.poll(said, PATIENCE).toHaveLength(1);
  });
});
