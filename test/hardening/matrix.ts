import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FunctionDefinitionInput } from '../../src/config/api.js';
import type { WorkerConfigInput } from '../../src/config/schema.js';
import { type Harness, prepare, processesWith, TestContainer } from '../backends/support/harness.js';
import { temporaryFolder, writeTree } from '../backends/support/temporary.js';
import { type AttackRecord, expectedOf, GROUPS, type Setting, unexpected } from './attacks.js';
import { FORGERIES } from './forgeries.js';
import { HostWorld, socketsBelow } from './world.js';

/** The same attacks on every backend. After each, the neighbour is asked, and the host is looked at. */
export interface HardeningOptions extends Setting {
  /** Of the engine of this machine; "" = none. */
  readonly engineFolder: string;
  readonly engineSocket: () => string;
}

type Start = (input: WorkerConfigInput) => Promise<Harness>;

const MIB = 1024 * 1024;
/** Output and frames that are thrown at the worker, and what its memory may grow by meanwhile. */
const FLOOD_BYTES = 384 * MIB;
const GROWTH_BYTES = 160 * MIB;
/** The number of a container's first run (see TestContainer). */
const MINE = 1;
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export function describeHardening(name: string, start: Start, options: HardeningOptions): void {
  describe(`attacks from inside a container of ${name}`, () => {
    const containers: TestContainer[] = [];
    let world: HostWorld;
    let harness: Harness;
    let neighbour: TestContainer;
    let born = 0;

    beforeAll(async () => {
      world = new HostWorld();
      await world.open();
      harness = await start({ sandbox: { readOnlyPaths: [world.bound] } });
      neighbour = await container({ name: 'neighbour' });
      containers.pop();
      born = ((await neighbour.invoke({ do: 'alive' })).result as { born: number }).born;
    });

    afterEach(async () => {
      await Promise.all(containers.splice(0).map((each) => each.destroy()));
      await expectAllFine();
    });

    afterAll(async () => {
      await neighbour?.destroy();
      await harness?.close();
      await world.close();
    });

    async function container(more: Partial<FunctionDefinitionInput> = {}): Promise<TestContainer> {
      const fn = await prepare(harness.backend, { name: 'attacker', source: world.source, ...more });
      const made = new TestContainer(harness.backend, harness.transport, fn);
      containers.push(made);
      await made.started();
      return made;
    }

    /** The neighbour is the same as ever, and nothing of the host has changed. */
    async function expectAllFine(): Promise<void> {
      expect(await neighbour.invoke({ do: 'alive' })).toMatchObject({ errorClass: null, result: { born } });
      expect(world.touched()).toEqual([]);
    }

    const facts = (): object => ({
      bound: world.bound,
      outside: world.outside,
      dataDir: harness.config.dataDir,
      engineFolder: options.engineFolder,
      port: world.port,
      addresses: world.addresses,
      abstract: world.abstractName,
      sockets: {
        'a socket of the host': join(world.outside, 'worker.sock'),
        'a socket of the worker': socketsBelow(String(harness.config.dataDir))[0] ?? '/var/lib/iluvatar/agents.sock',
        'a socket of the engine': options.engineSocket(),
        'the machine’s Docker': '/var/run/docker.sock',
      },
    });

    describe('of one that goes on', () => {
      let attacker: TestContainer;
      beforeAll(async () => {
        attacker = await container();
        containers.pop();
      });
      afterAll(() => attacker?.destroy());

      for (const { title, args, attempts } of GROUPS) {
        it(title, async () => {
          const answer = await attacker.invoke({ ...facts(), ...args }, 60_000);
          expect(answer).toMatchObject({ errorClass: null });
          expect(unexpected(answer.result as AttackRecord[], expectedOf(attempts, options))).toBe('');
        });
      }
    });

    it('filling what it may write, and using it after', async () => {
      const attacker = await container({ tmpMb: 8 });
      const { result, errorClass } = await attacker.invoke({ do: 'full' }, 60_000);
      expect(errorClass).toBe(null);
      const attempts = {
        'fill /tmp': { by: ['ENOSPC'] },
        'fill /dev/shm': { by: ['ENOSPC'] },
        'fill /iluvatar/sockets': { by: ['EROFS', 'EACCES'] },
        'a sparse file of a terabyte': { harmless: 'it holds the one page that was written' },
        'folders 3000 deep': { harmless: 'they go with the container' },
        '/tmp is fine again': { harmless: 'as it should be' },
      };
      expect(unexpected(result as AttackRecord[], attempts)).toBe('');
      expect(result).toContainEqual({ attempt: '/tmp is fine again', refused: false, how: 'None' });
      expect(result).toContainEqual({ attempt: 'a sparse file of a terabyte', refused: false, how: 'holds 4096' });
    });

    it('files without end, which are counted as its memory', async () => {
      const attacker = await container({ memoryMb: 64 });
      const { result, errorClass } = await attacker.invoke({ do: 'full', many: true }, 60_000);
      if (errorClass === null) expect(JSON.stringify(result)).toMatch(/"make files without end".*?(ENOSPC|ENOMEM)/);
      // Docker puts a cgroup of its own below ours, where the kill is counted: without its word only the signal is left to tell.
      else expect(options.kind === 'docker' ? ['out_of_memory', 'crashed'] : ['out_of_memory']).toContain(errorClass);
    });

    it('a fork bomb, which stops at its limit while others go on', async () => {
      const attacker = await container({ pids: 32 });
      const bomb = attacker.invoke({ do: 'bomb', most: 1000 }, 30_000);
      expect(await neighbour.invoke({ do: 'alive' })).toMatchObject({ errorClass: null, result: { born } });
      const { errorClass, result } = await bomb;
      expect(errorClass).toBe(null);
      expect(result).toMatchObject({ how: 'EAGAIN' });
      expect((result as { made: number }).made).toBeLessThan(32);
      expect(await attacker.invoke({ do: 'alive' })).toMatchObject({ errorClass: null });
    });

    it('processes that leave their session and ignore every signal: they go with the container', async () => {
      const attacker = await container();
      const mark = `${harness.config.name}-daemon`;
      expect(await attacker.invoke({ do: 'daemons', count: 5, mark, thread: true })).toMatchObject({ result: true });
      // A process is found by its command line, which it has only after its exec.
      await expect.poll(() => processesWith(mark).length, { timeout: 10_000 }).toBe(5);
      await attacker.destroy();
      expect(processesWith(mark)).toEqual([]);
    });

    it('every signal to pid 1', async () => {
      const attacker = await container();
      const first = (await attacker.invoke({ do: 'alive' })).result;
      const { errorClass, result } = await attacker.invoke({ do: 'signals' });
      expect({ errorClass, result }).toMatchObject({ errorClass: null, result: { born: (first as { born: 1 }).born } });
      expect(await attacker.invoke({ do: 'alive' })).toMatchObject({ errorClass: null, result: { calls: 2 } });
    });

    // Who a container's user is makes no difference to what follows.
    if (options.asRoot) return;

    it('forged frames, on as many connections at once', async () => {
      const told = await Promise.all(
        FORGERIES.map(async ({ what, own }) => {
          const attacker = await container();
          const other = neighbour.invokeRaw(JSON.stringify({ do: 'alive' }));
          const said = await attacker.invoke({ do: 'forge', what, other: other.requestId, mine: MINE }, 30_000);
          // Its own answer, and no other's.
          const answer = await other.answer;
          const fine = (answer.result as { born?: number } | undefined)?.born === born;
          const as = said.errorClass === 'crashed' ? 'crashed' : 'answered';
          return [what, as, as === own, fine ? 'the neighbour answered' : JSON.stringify(answer)];
        }),
      );
      expect(told).toEqual(FORGERIES.map(({ what, own }) => [what, own, true, 'the neighbour answered']));
    });

    it('a forged result for a run that is under way', async () => {
      const attacker = await container();
      const other = neighbour.invokeRaw(JSON.stringify({ do: 'wait', seconds: 0.5 }));
      const what = 'a result of another function';
      const said = await attacker.invoke({ do: 'forge', what, other: other.requestId, mine: MINE }, 20_000);
      expect(said).toMatchObject({ errorClass: 'crashed', message: expect.stringContaining('connection') });
      expect(await other.answer).toMatchObject({ errorClass: null, result: 'my own' });
    });

    it.each([
      { do: 'flood', what: 'log', size: 1 * MIB, bytes: FLOOD_BYTES },
      { do: 'flood', what: 'log', size: 16, bytes: 32 * MIB },
      { do: 'flood', what: 'ping', bytes: 32 * MIB },
      { do: 'shout', fd: 1, bytes: FLOOD_BYTES },
      { do: 'shout', fd: 2, long: true, bytes: FLOOD_BYTES },
    ])('a flood: %j', async (args) => {
      const attacker = await container();
      // What is kept of it here would be the test's own.
      attacker.output = () => {};
      const before = process.memoryUsage().rss;
      let most = 0;
      const watch = setInterval(() => {
        most = Math.max(most, process.memoryUsage().rss);
      }, 20);
      const flood = attacker.invoke(args, 60_000);
      const during = await neighbour.invoke({ do: 'alive' });
      const { errorClass } = await flood;
      clearInterval(watch);
      expect(during).toMatchObject({ errorClass: null, result: { born } });
      expect(errorClass).toBe(null);
      expect(most - before).toBeLessThan(GROWTH_BYTES);
    });

    it('an old agent whose socket is a link to another’s', async () => {
      const source = temporaryFolder();
      copyFileSync(here('legacy-link.py'), join(source, 'main.py'));
      const env = {
        LEADS_TO: options.kind === 'process' ? join(world.outside, 'worker.sock') : options.engineSocket(),
      };
      const old = { name: 'link', source, server: 'legacy-socket', startupTimeoutMs: 3_000, env } as const;
      await expect(container(old)).rejects.toMatchObject({ errorClass: 'start_failed' });
    });

    it('an old agent, whose folder on no disk is full soon', async () => {
      const source = temporaryFolder();
      const agent = readFileSync(new URL('../backends/fixtures/legacy-socket-agent.py', import.meta.url), 'utf8');
      const fill = `
try:
    open("/iluvatar/sockets/fill", "wb").write(b"x" * (1 << 20))
except OSError as error:
    import os
    os.unlink("/iluvatar/sockets/fill")
    os.environ["GREETING"] = str(error.errno)
`;
      writeTree(source, { 'main.py': `${fill}\n${agent}` });
      const old = await container({ name: 'old', source, server: 'legacy-socket', env: { GREETING: 'not full' } });
      expect(await old.invoke({ n: 1 })).toMatchObject({ errorClass: null, result: { got: { n: 1 }, greeting: '28' } });
    });

    if (options.kind !== 'process') {
      it('a program that calls the worker in the agent’s place', async () => {
        const source = temporaryFolder();
        writeTree(source, { agent: { text: readFileSync(here('door.py'), 'utf8'), mode: 0o755 } });
        const made = await container({ name: 'door', source, runtime: 'binary', startupTimeoutMs: 50_000 });
        await expect.poll(() => made.output_.stdout, { timeout: 20_000 }).toContain('the true token again');
        expect(made.output_.stdout).not.toContain('LET THROUGH');
        expect(Number(/^open (\d+)$/m.exec(made.output_.stdout)?.[1])).toBeLessThanOrEqual(4);
      });
    }
  });
}
