import { afterAll, beforeAll, expect, it } from 'vitest';
import { ENGINE_FAILPOINTS } from '../../src/failpoints.js';
import { ContainerdDaemon } from '../support/containerd-daemon.js';
import { DockerDaemon } from '../support/docker-daemon.js';
import { describeWith } from '../support/requirement.js';
import { inContainerd, inDocker } from './support/in-engines.js';
import { WorkerProcess } from './support/worker-process.js';

const HELLO = 'def main(args):\n    return "hello"\n';
const LIMIT_MS = 240_000;
const NEEDS = { root: true, cgroups: true, command: ['python3', 'containerd', 'dockerd', 'runc', 'ctr', 'curl'] };

/** The engines differ in what they have at each place, and one of them goes through all of these. */
const PLACES = [
  ...ENGINE_FAILPOINTS.map((at) => ['containerd', at] as const),
  ['docker', 'engine.run'],
  ['docker', 'engine.running'],
  ['docker', 'engine.remove'],
] as const;

describeWith(NEEDS, 'a worker that is killed while an engine makes or removes a container', () => {
  let containerd: ContainerdDaemon;
  let docker: DockerDaemon;
  beforeAll(async () => {
    [containerd, docker] = await Promise.all([ContainerdDaemon.start(), DockerDaemon.start()]);
  }, LIMIT_MS);
  afterAll(async () => {
    await Promise.all([containerd?.close(), docker?.close()]);
  });

  it.each(PLACES)(
    'in %s at %s leaves nothing there after the next start, which runs the function',
    async (engine, at) => {
      await using worker = new WorkerProcess({
        backends: {
          containerd: { enabled: engine === 'containerd', address: containerd.address },
          docker: { enabled: engine === 'docker', socket: docker.socket },
        },
      });
      const inEngine = (): string[] =>
        engine === 'containerd' ? inContainerd(containerd, worker) : inDocker(docker, worker);
      await worker.start();
      const source = worker.source('f', HELLO);
      await worker.client((client) => client.register({ name: 'f', source, backends: [engine] }));
      await worker.stop();

      await worker.start({ ILUVATAR_FAILPOINT: at });
      const ended = worker.client(async (client) => {
        await client.invoke('f');
        await client.clean();
      });
      await expect(ended).rejects.toMatchObject({ errorClass: 'unavailable' });
      expect(await worker.ended, 'the failpoint was not passed').toMatch(/^SIGKILL/);

      await worker.start();
      await worker.client(async (client) => {
        expect((await client.invoke('f')).result).toBe('hello');
        const { memory } = await client.status();
        expect(memory).toMatchObject({ cachedContainers: 1, runningContainers: 0 });
        // One, and no other: what was half made is gone.
        expect(inEngine()).toHaveLength(1);
      });
      expect(await worker.stopAndLook()).toEqual([]);
      expect(inEngine()).toEqual([]);
    },
    LIMIT_MS,
  );
});
