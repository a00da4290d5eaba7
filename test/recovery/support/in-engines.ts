import { spawnSync } from 'node:child_process';
import { expect } from 'vitest';
import type { ContainerdDaemon } from '../../support/containerd-daemon.js';
import type { DockerDaemon } from '../../support/docker-daemon.js';
import { BIN, type WorkerProcess } from './worker-process.js';

/** What engines have of a worker, as they tell others than the worker, and what `iluvatar clean` makes of it. */

export function ctr(daemon: ContainerdDaemon, ...args: string[]): string[] {
  const { stdout } = spawnSync('ctr', ['-a', daemon.address, '-n', 'iluvatar', ...args], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line !== '');
}

export function curl(daemon: DockerDaemon, path: string, method = 'GET'): string {
  const args = ['-s', '-X', method, '--unix-socket', daemon.socket, `http://docker${path}`];
  return spawnSync('curl', args, { encoding: 'utf8' }).stdout;
}

/** Names of its containers. */
export function inContainerd(daemon: ContainerdDaemon, worker: WorkerProcess): string[] {
  return ctr(daemon, 'containers', 'ls', '-q').filter((name) => name.includes(worker.name));
}

/** Names of its containers and networks. */
export function inDocker(daemon: DockerDaemon, worker: WorkerProcess): string[] {
  const containers = JSON.parse(curl(daemon, '/containers/json?all=1')) as { Names: string[] }[];
  const networks = JSON.parse(curl(daemon, '/networks')) as { Name: string }[];
  const names = [...containers.flatMap(({ Names }) => Names), ...networks.map(({ Name }) => Name)];
  return names.filter((name) => name.includes(worker.name));
}

export function clean(worker: WorkerProcess, ...more: string[]): { leftovers: string[]; problems: string[] } {
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
