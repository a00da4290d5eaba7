import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ContainerdDaemon } from '../support/containerd-daemon.js';
import { DockerDaemon } from '../support/docker-daemon.js';
import { describeWith } from '../support/requirement.js';
import { BIN, WorkerProcess } from './support/worker-process.js';

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

  function clean(worker: WorkerProcess, ...more: string[]): { leftovers: string[]; problems: string[] } {
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [BIN, 'clean', '--json', '--config', worker.configFile, ...more],
      {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
      },
    );
    expect(stdout, stderr).not.toBe('');
    return JSON.parse(stdout) as { leftovers: string[]; problems: string[] };
  }

  /** As the engines tell others than the worker. */
  function inEngines(worker: WorkerProcess): string[] {
    const ctr = spawnSync('ctr', ['-a', containerd.address, '-n', 'iluvatar', 'containers', 'ls', '-q'], {
      encoding: 'utf8',
    });
    const ask = (path: string): string =>
      spawnSync('curl', ['-s', '--unix-socket', docker.socket, `http://docker${path}`], { encoding: 'utf8' }).stdout;
    const containers = JSON.parse(ask('/containers/json?all=1')) as { Names: string[] }[];
    const networks = JSON.parse(ask('/networks')) as { Name: string }[];
    return [
      ...ctr.stdout.split('\n'),
      ...containers.flatMap(({ Names }) => Names),
      ...networks.map(({ Name }) => Name),
    ].filter((name) => name.includes(worker.name));
  }

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
