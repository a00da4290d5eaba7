import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/requirement.js';
import { descriptors, ShimWorld, shim, until, zombies } from './harness.js';

/** gRPC status: containerd has no such task any more. */
const NOT_FOUND = 5;

/** Many at once, many in a row, and the death of either daemon. */
describeWith(
  { root: true, cgroups: true, command: ['containerd', 'gcc'], file: shim },
  'the shim under load and faults',
  () => {
    let world: ShimWorld;

    beforeAll(async () => {
      world = new ShimWorld();
      await world.open();
    });
    afterAll(() => world.close());

    it('starts and ends 64 at once', async () => {
      const statuses = await Promise.all(Array.from({ length: 64 }, (_, index) => world.run(['exit', `${index}`])));
      expect(statuses).toEqual(Array.from({ length: 64 }, (_, index) => index));
      expect(world.pids('inside')).toEqual([]);
    });

    it('cuts off who does not speak ttrpc, and serves the others', async () => {
      const daemon = world.daemon;
      const header = (size: number, type: number): Buffer => {
        const bytes = Buffer.alloc(10);
        bytes.writeUInt32BE(size, 0);
        bytes.writeUInt32BE(1, 4);
        bytes[8] = type;
        return bytes;
      };
      const garbage = Buffer.from('GET / HTTP/1.1\r\n\r\n');
      for (const bytes of [garbage, header(4 * 1024 * 1024 + 1, 1), header(0, 9)]) {
        const peer = createConnection(world.socket);
        peer.on('error', () => {});
        peer.write(bytes);
        await once(peer.resume(), 'close');
      }
      // Answered rather than cut off: a frame that holds no request, and many half frames.
      const peer = createConnection(world.socket);
      peer.write(Buffer.concat([header(3, 1), Buffer.from('???')]));
      const [answer] = (await once(peer, 'data')) as [Buffer];
      expect(answer.toString()).toContain('not a ttrpc request');
      const halves = Array.from({ length: 50 }, () => createConnection(world.socket));
      for (const half of halves) half.write(header(1000, 1));
      expect(await world.run(['exit', '5'])).toBe(5);
      for (const open of [peer, ...halves]) open.destroy();
      expect(world.daemon).toBe(daemon);
    });

    it('keeps no descriptor, no zombie and no mount of 500 containers', async () => {
      const daemon = world.daemon;
      const before = descriptors(daemon);
      let left = 500;
      const work = async (): Promise<void> => {
        while (left-- > 0) expect(await world.run(['exit', '0'])).toBe(0);
      };
      await Promise.all(Array.from({ length: 8 }, work));
      expect(world.daemon).toBe(daemon);
      await until(() => descriptors(daemon) <= before, 'the last connections to be closed');
      expect(zombies(daemon)).toBe(0);
      expect(world.mounts()).toEqual([]);
      expect(world.pids('inside')).toEqual([]);
    }, 240_000);

    it('outlives containerd, which finds the containers again', async () => {
      const living = world.spec(['terminate']);
      const ended = world.spec(['sleep']);
      const pid = await world.create(living);
      const other = await world.create(ended);
      for (const made of [living, ended]) await world.start(made.id);
      const daemon = world.daemon;
      await world.containerd.end('SIGKILL');
      process.kill(other, 'SIGKILL');
      await sleep(200);
      expect(existsSync(`/proc/${pid}`)).toBe(true);
      await world.containerd.start();
      expect(world.daemon).toBe(daemon);
      // It learns of the one that ended meanwhile: by the event, or by asking, and then drops the task.
      const status = await world.wait(ended.id).catch((error: unknown) => error);
      if (status !== 137) {
        expect(status).toMatchObject({ code: NOT_FOUND });
        await until(() => !existsSync(world.bundle(ended.id)), 'the task to be dropped');
      }
      await world.kill(living.id, 9);
      expect(await world.wait(living.id)).toBe(137);
      await world.delete(living.id);
      await until(
        () => world.containerd.events.some((event) => event.topic === '/tasks/exit' && event.container === living.id),
        'the exit',
      );
      expect(await world.run(['exit', '7'])).toBe(7);
    });

    it('dies, and containerd cleans up after it', async () => {
      const running = world.spec(['orphans']);
      const held = world.spec(['sleep']);
      await world.create(running);
      await world.create(held);
      await world.start(running.id);
      await until(() => world.pids('inside orphans').length === 6, 'its children');
      process.kill(world.daemon, 'SIGKILL');
      await until(() => world.pids('inside').length === 0, 'the containers to be killed', 60_000);
      await until(
        () => world.containerd.events.some((event) => event.topic === '/tasks/exit' && event.container === running.id),
        'the exit',
        60_000,
      );
      await until(() => !existsSync(world.bundle(running.id)), 'the bundle to be removed', 60_000);
      // The stale socket is no obstacle to the next.
      expect(await world.run(['exit', '3'])).toBe(3);
    }, 200_000);

    it('ends when it has nothing more to do, and takes its socket with it', async () => {
      const daemon = world.daemon;
      expect(daemon).not.toBe(0);
      await until(() => !existsSync(world.socket), 'the socket to go', 30_000);
      await until(() => !existsSync(`/proc/${daemon}`), 'the daemon to end');
      expect(await world.run(['exit', '1'])).toBe(1);
      expect(world.daemon).not.toBe(daemon);
    }, 60_000);
  },
);
