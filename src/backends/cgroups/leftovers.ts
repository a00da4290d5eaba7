import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Leftovers } from '../leftovers.js';
import { lifecycleTasks } from '../lifecycle-tasks.js';
import { hierarchies, removeParents } from './hierarchies.js';

/** Cgroups of one scope in every hierarchy, with the processes in them. */
export class CgroupLeftovers implements Leftovers {
  readonly #path: string;
  readonly #scope: string;

  constructor(parent: string, scope: string) {
    this.#path = `/${parent}/${scope}`;
    this.#scope = scope;
  }

  async list(): Promise<readonly string[]> {
    const folders = await this.#folders();
    const names = new Set(folders.flatMap(({ folder }) => below(folder)));
    const own = folders.length === 0 ? [] : [`cgroup ${this.#scope}`];
    return [...[...names].sort().map((name) => `cgroup ${this.#scope}/${name}`), ...own];
  }

  async remove(): Promise<void> {
    const folders = await this.#folders();
    const names = new Set(folders.flatMap(({ folder }) => below(folder)));
    const groups = [...names].map((name) => {
      const there = folders.filter(({ folder }) => existsSync(join(folder, name)));
      return { dirs: there.map(({ folder }) => join(folder, name)), versions: there.map(({ version }) => version) };
    });
    await lifecycleTasks.removeCgroups({ groups, graceMs: 0, limitMs: REMOVE_LIMIT_MS });
    await removeParents(await this.#mounts().then((mounts) => mounts.map(({ path }) => path)), this.#path);
  }

  async #folders(): Promise<{ folder: string; version: number }[]> {
    const all = (await this.#mounts()).map(({ path, version }) => ({ folder: join(path, this.#path), version }));
    return all.filter(({ folder }) => existsSync(folder));
  }

  async #mounts(): Promise<{ path: string; version: number }[]> {
    const lines = (await readFile('/proc/self/mounts', 'utf8')).split('\n');
    return lines.flatMap((line) =>
      hierarchies(line).map((path) => ({ path, version: line.split(' ')[2] === 'cgroup2' ? 2 : 1 })),
    );
  }
}

const REMOVE_LIMIT_MS = 10_000;

function below(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}
