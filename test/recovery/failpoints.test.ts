import { setTimeout as pause } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { FAILPOINTS, type Failpoint } from '../../src/failpoints.js';
import type { Client } from '../../src/index.js';
import { keptBy } from '../support/keeper.js';
import { describeWith } from '../support/requirement.js';
import { WorkerProcess } from './support/worker-process.js';

const LIMIT_MS = 300_000;

const returns = (text: string): string => `def main(args):\n    return "${text}"\n`;

/** What functions return, by name. */
type Registered = Readonly<Record<string, string>>;

interface Step {
  run(client: Client, worker: WorkerProcess): Promise<unknown>;
  /** What is registered once it was answered. */
  after: Registered;
}

const BASE: Registered = { base: 'base' };

const register = (name: string, text: string): Step['run'] => {
  return (client, worker) =>
    client.register({ name, source: worker.source(`${name}-${text}`, returns(text)) }, { replace: true });
};

/** Accepted, and so to end in exactly one way. */
const submit: Step['run'] = async (client) => {
  const id = await client.invokeAsync('base', {});
  accepted.push(id);
  return client.result(id, { waitMs: 60_000 });
};
let accepted: string[] = [];

const STEPS: readonly Step[] = [
  { run: submit, after: BASE },
  {
    run: (client, worker) =>
      client.register({ name: 'net', source: worker.source('net', returns('net')), network: 'bridge' }),
    after: { ...BASE, net: 'net' },
  },
  { run: (client) => client.invoke('net'), after: { ...BASE, net: 'net' } },
  { run: (client) => client.clean(), after: { ...BASE, net: 'net' } },
  // The removal of namespaces waits for more of them.
  { run: () => pause(300), after: { ...BASE, net: 'net' } },
  { run: (client) => client.unregister('net'), after: BASE },
  { run: register('a', 'first'), after: { ...BASE, a: 'first' } },
  { run: (client) => client.invoke('a'), after: { ...BASE, a: 'first' } },
  { run: register('a', 'second'), after: { ...BASE, a: 'second' } },
  { run: (client) => client.invoke('a'), after: { ...BASE, a: 'second' } },
  { run: (client) => client.unregister('base'), after: { a: 'second' } },
  { run: (client) => client.clean(), after: { a: 'second' } },
];

/** Runs the steps until the worker dies; resolves with what may be registered now: as before the step that it died in, or as after it. */
async function runUntilKilled(worker: WorkerProcess, at: string, before: Registered): Promise<readonly Registered[]> {
  let registered = before;
  try {
    await worker.start({ ILUVATAR_FAILPOINT: at });
  } catch {
    return [registered];
  }
  for (const step of STEPS) {
    try {
      await worker.client((client) => step.run(client, worker));
    } catch {
      return [registered, step.after];
    }
    registered = step.after;
  }
  await worker.stop();
  return [registered];
}

async function registeredNow(worker: WorkerProcess): Promise<Registered> {
  return worker.client(async (client) => {
    const found: Record<string, string> = {};
    for (const { name } of await client.list()) found[name] = (await client.invoke<string>(name)).result;
    return found;
  });
}

const PLACES: readonly (readonly [at: string, first: boolean])[] = [
  ...FAILPOINTS.map((name: Failpoint) => [name, name === 'store.made'] as const),
  // The same places again, further on.
  ['store.commit.after:2', false],
  ['register.kept:2', false],
  ['container.destroyed:2', false],
];

describeWith({ root: true, cgroups: true }, 'a worker that is killed', () => {
  it.each(PLACES)(
    'at %s has lost nothing that it promised and left nothing, after the next start',
    async (at, first) => {
      accepted = [];
      await using worker = new WorkerProcess({ network: { pool: { low: 1, high: 2 } } });
      if (!first) {
        await worker.start();
        await worker.client(async (client) => {
          await client.register({ name: 'base', source: worker.source('base', returns('base')) });
          await client.invoke('base');
          await vi.waitFor(async () => expect(await keptBy(worker.dataDir)).not.toEqual([]), { timeout: 30_000 });
        });
        // Killed, too: the start with the failpoint is a recovery itself.
        await worker.kill();
      }
      const possible = await runUntilKilled(worker, at, first ? {} : BASE);
      expect(await worker.ended, 'the failpoint was not passed').toMatch(/^SIGKILL/);

      await worker.start();
      expect(possible).toContainEqual(await registeredNow(worker));
      await worker.client(async (client) => {
        for (const id of accepted)
          expect(await client.result(id, { waitMs: 60_000 })).toMatchObject({ status: 'done' });
        const { memory } = await client.status();
        expect(memory.runningMb + memory.cachedMb).toBe(memory.totalMb);
      });
      expect(worker.log()).not.toContain('set aside');
      expect(await worker.stopAndLook()).toEqual([]);
    },
    LIMIT_MS,
  );
});
