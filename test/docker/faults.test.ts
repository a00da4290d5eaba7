import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DockerClient } from '../../src/backends/docker/client.js';
import type { DockerImage } from '../../src/backends/docker/images.js';
import { DockerDaemon } from '../support/docker-daemon.js';
import { describeWith } from '../support/requirement.js';
import { FailingSocket, type FailureMode } from './failing-socket.js';
import { DOCKER, EngineHarness, type TestImage, testImage } from './harness.js';

/** Each call of a container's life, and of an image's, fails once in each way: nothing is left of it. */

describeWith(DOCKER, 'a failing call to Docker', () => {
  let daemon: DockerDaemon;
  let images: TestImage;
  let failing: FailingSocket;
  let direct: DockerClient;
  let harness: EngineHarness;
  let folder: string;
  let image: DockerImage;

  beforeAll(async () => {
    images = testImage();
    daemon = await DockerDaemon.start();
    folder = mkdtempSync(join(tmpdir(), 'iluvatar-docker-faults-'));
    failing = new FailingSocket(daemon.socket, folder);
    await failing.listen();
    direct = new DockerClient(daemon.socket);
    harness = new EngineHarness(failing.path);
    await harness.start();
    image = await harness.engine.importImage(await images.named('iluvatar.local/faults:1'), () => {});
  });

  afterAll(async () => {
    failing?.arm(0);
    await harness?.close();
    await failing?.close();
    direct?.close();
    await daemon?.close();
    images?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  async function containers(): Promise<string[]> {
    const all = await direct.call<{ Names: string[] }[]>('GET', '/containers/json', { query: { all: true } });
    return all.flatMap(({ Names }) => Names);
  }

  async function tags(): Promise<string[]> {
    const all = await direct.call<{ RepoTags: string[] | null }[]>('GET', '/images/json');
    return all.flatMap(({ RepoTags }) => RepoTags ?? ['<none>']);
  }

  /** As a backend does it: whatever fails, the container is removed, until that has succeeded. */
  async function life(): Promise<boolean> {
    const plan = harness.plan(image, ['sleep']);
    let whole = false;
    try {
      await harness.engine.create(plan);
      await harness.engine.run(plan);
      whole = true;
    } catch {
      // The injected one.
    }
    await harness.remove(plan).catch(() => harness.remove(plan));
    expect(await containers()).toEqual([]);
    for (const dir of plan.cgroupDirs) expect(existsSync(dir)).toBe(false);
    for (const hierarchy of readdirSync('/sys/fs/cgroup')) {
      expect(existsSync(join('/sys/fs/cgroup', hierarchy, plan.cgroupPath))).toBe(false);
    }
    return whole;
  }

  for (const mode of ['refused', 'error', 'lost'] as FailureMode[]) {
    it(`leaves no container: ${mode}`, async () => {
      failing.arm(0);
      expect(await life()).toBe(true);
      const calls = [...failing.calls];
      expect(calls).toEqual([
        'POST /containers/create',
        'POST /containers/ID/attach',
        'POST /containers/ID/start',
        'GET /containers/ID/json',
        'DELETE /containers/ID',
      ]);
      for (let k = 1; k <= calls.length; k++) {
        failing.arm(k, mode);
        expect(await life()).toBe(calls[k - 1] === 'DELETE /containers/ID');
        expect(failing.calls.length).toBeGreaterThanOrEqual(k);
      }
    });

    it(`leaves no image: ${mode}`, async () => {
      const named = await images.named('iluvatar.local/faulty:1', 'faulty');
      const before = await tags();
      failing.arm(0);
      await harness.engine.releaseImage(await harness.engine.importImage(named, () => {}));
      const calls = [...failing.calls];
      expect(await tags()).toEqual(before);
      for (let k = 1; k <= calls.length; k++) {
        failing.arm(k, mode);
        const brought = await harness.engine.importImage(named, () => {}).catch((error: Error) => error);
        if (brought instanceof Error) expect(brought.name).toBe('IluvatarError');
        else await harness.engine.releaseImage(brought);
        failing.arm(0);
        // What could not be taken away goes when the next container does.
        if ((await tags()).length > before.length) await life();
        expect(await tags(), calls[k - 1]).toEqual(before);
      }
    });
  }

  it('names a failed call and tells what may pass', async () => {
    failing.arm(1, 'error');
    const error = await harness.engine.create(harness.plan(image, ['sleep'])).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      status: 500,
      transient: true,
      message: 'docker: POST /containers/create: a failure that the test has made',
    });
    failing.arm(1, 'refused');
    await expect(harness.engine.list()).rejects.toMatchObject({ status: 0, transient: true });
  });
});
