import { afterAll, beforeAll, expect, it } from 'vitest';
import { ContainerdDaemon } from '../support/containerd-daemon.js';
import { DockerDaemon } from '../support/docker-daemon.js';
import { describeWith } from '../support/requirement.js';
import { clean, inContainerd, inDocker } from './support/in-engines.js';
import { WorkerProcess } from './support/worker-process.js';

const HELLO = 'def main(args):\n    return "hello"\n';
const LIMIT_MS = 240_000;
const NEEDS = { root: true, cgroups: true, command: ['python3', 'containerd', 'dockerd', 'runc', 'ctr', 'curl'] };

describeWith(NEEDS, 'iluvatar clean with container engines', () => {
  let containerd: ContainerdDaemon;
  let docker: DockerDaemon;
  beforeAll(async () => {
    [containerd, docker] = await Promise.all([ContainerdDaemon.start(), DockerDaemon.start()]);
  }, LIMIT_MS);
  afterAll(async () => {
    await Promise.all([containerd?.close(), docker?.close()]);
  });

  function make(): WorkerProcess {
    return new WorkerProcess({
      backends: {
        containerd: { enabled: true, address: containerd.address },
        docker: { enabled: true, socket: docker.socket },
      },
    });
  }

  const inEngines = (worker: WorkerProcess): string[] => [
    ...inContainerd(containerd, worker),
    ...inDocker(docker, worker),
  ];

  it(
    'removes containers and networks of the dead worker, and nothing of another',
    async () => {
      await using dead = make();
      await using alive = make();
      await Promise.all([dead.start(), alive.start()]);
      for (const worker of [dead, alive]) {
        const source = worker.source('f', HELLO);
        await worker.client(async (client) => {
          for (const [name, network] of [
            ['containerd', 'none'],
            ['docker', 'bridge'],
          ] as const) {
            await client.register({ name, source, backends: [name], network });
            expect((await client.invoke(name)).result).toBe('hello');
          }
        });
      }
      const others = inEngines(alive);
      expect(others.length).toBeGreaterThanOrEqual(3);
      await dead.kill();
      expect(inEngines(dead).length).toBeGreaterThanOrEqual(3);

      const listed = clean(dead, '--dry-run');
      expect(listed.problems).toEqual([]);
      for (const kind of ['containerd container', 'docker container', 'docker network', 'cgroup'])
        expect(
          listed.leftovers.some((name) => name.startsWith(`${kind} `)),
          `${kind} in ${listed.leftovers}`,
        ).toBe(true);
      expect(inEngines(dead).length).toBeGreaterThanOrEqual(3);

      expect(clean(dead).problems).toEqual([]);
      expect(inEngines(dead)).toEqual([]);
      expect(dead.leftovers()).toEqual([]);
      expect(clean(dead, '--dry-run').leftovers).toEqual([]);
      expect(inEngines(alive)).toEqual(others);
      for (const name of ['containerd', 'docker'])
        expect(await alive.client((client) => client.invoke(name))).toMatchObject({ containerState: 'warm' });

      await dead.start();
      for (const name of ['containerd', 'docker'])
        expect((await dead.client((client) => client.invoke(name))).result).toBe('hello');
      await dead.stop();
      expect(inEngines(dead)).toEqual([]);
    },
    LIMIT_MS,
  );
});
