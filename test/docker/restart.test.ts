import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { DockerImage } from '../../src/backends/docker/images.js';
import { DockerDaemon } from '../support/docker-daemon.js';
import { describeWith } from '../support/requirement.js';
import { DOCKER, EngineHarness, type TestImage, testImage } from './harness.js';

/** The daemon goes away and comes back, with and without its containers. */

describeWith(DOCKER, 'a restart of Docker', () => {
  let images: TestImage;
  let daemon: DockerDaemon;
  let harness: EngineHarness;
  let image: DockerImage;

  beforeAll(() => {
    images = testImage();
  });

  afterEach(async () => {
    await harness?.close();
    await daemon?.close();
  });

  afterAll(() => images?.remove());

  async function start(liveRestore: boolean): Promise<void> {
    daemon = await DockerDaemon.start({ liveRestore });
    harness = new EngineHarness(daemon.socket);
    await harness.start();
    image = await harness.engine.importImage(await images.named('iluvatar.local/restart:1'), () => {});
  }

  const healthy = (value: boolean): Promise<void> =>
    expect.poll(() => harness.engine.health().healthy, { timeout: 20_000 }).toBe(value);

  it('keeps containers that outlive it, and tells of those that ended meanwhile', async () => {
    await start(true);
    const lives = await harness.run(image, ['tick']);
    const ends = await harness.run(image, ['after', '1500']);
    const waits = harness.plan(image, ['print', '3']);
    await harness.engine.create(waits);
    await expect.poll(() => harness.events.outputOf(lives.name).stdout).toContain('tick 2\n');
    await daemon.kill();
    await healthy(false);
    expect(harness.engine.health().notes).toEqual([expect.stringContaining('does not answer')]);
    await expect(harness.engine.create(harness.plan(image, ['sleep']))).rejects.toMatchObject({ transient: true });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(harness.events.exits.size).toBe(0);
    await daemon.startDockerd();
    expect(await harness.events.exit(ends.name)).toEqual({ code: 5, signal: 0, outOfMemory: false });
    await healthy(true);
    expect(harness.events.returns).toBe(1);
    // What it writes is read again, and one that was only created is started as if nothing had been.
    const before = harness.events.outputOf(lives.name).stdout.length;
    await expect.poll(() => harness.events.outputOf(lives.name).stdout.length).toBeGreaterThan(before);
    await harness.engine.run(waits);
    await harness.events.exit(waits.name);
    expect(harness.events.outputOf(waits.name).stdout).toBe('line 0\nline 1\nline 2\n');
    expect((await harness.engine.list()).sort()).toEqual([lives.name, ends.name, waits.name].sort());
    expect(harness.events.exits.has(lives.name)).toBe(false);
    for (const plan of [lives, ends, waits]) {
      await harness.remove(plan);
      expect(harness.events.exits.get(plan.name)?.length ?? 1).toBe(1);
    }
    expect(await harness.engine.list()).toEqual([]);
  });

  it('tells that all have ended when they do not outlive it', async () => {
    await start(false);
    expect(harness.engine.health().notes).toEqual([expect.stringContaining('live-restore')]);
    const plans = await Promise.all([1, 2, 3].map(() => harness.run(image, ['sleep'])));
    await daemon.kill();
    await healthy(false);
    await daemon.startDockerd();
    for (const plan of plans) {
      expect(await harness.events.exit(plan.name)).toMatchObject({ code: expect.any(Number) });
      await harness.remove(plan);
      expect(harness.events.exits.get(plan.name)).toHaveLength(1);
    }
    await healthy(true);
    const after = await harness.run(image, ['exit', '3']);
    expect(await harness.events.exit(after.name)).toMatchObject({ code: 3 });
    await harness.remove(after);
  });

  it('tells of those that end as it is stopped', async () => {
    await start(false);
    const plan = await harness.run(image, ['sleep']);
    await daemon.terminate();
    await daemon.startDockerd();
    expect(await harness.events.exit(plan.name)).toMatchObject({ code: 137, signal: 9 });
    await harness.remove(plan);
    expect(harness.events.exits.get(plan.name)).toHaveLength(1);
  });

  it('starts before the daemon does', async () => {
    daemon = await DockerDaemon.start();
    await daemon.terminate();
    harness = new EngineHarness(daemon.socket);
    await harness.start();
    expect(harness.engine.health()).toMatchObject({ healthy: false });
    await expect(harness.engine.findImage('docker.io/library/debian:12')).rejects.toMatchObject({
      errorClass: 'unavailable',
    });
    await daemon.startDockerd();
    await healthy(true);
  });
});
