import { mkdir, readdir, rm } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import type { Mount } from '../../rpc/gen/types.js';

/**
 * Root file systems of containers, without asking the snapshotter: an image is unpacked once, and what its layers became is mounted for each container by whoever
 * makes it. A read-only root is the same for all; a writable one has a folder of its own above it.
 */

/** From Linux 5.10 on overlay can be told that nobody needs its upper layer after a crash: unmounting then waits for no disk. */
const VOLATILE_SINCE = [5, 10] as const;

export class ContainerRoots {
  readonly #folder: string;
  /** Containers with an upper layer. */
  readonly #writable = new Set<string>();

  /** `folder`: where the upper layers of containers are. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Those of an earlier process are there to be removed with their containers. */
  async open(): Promise<void> {
    for (const name of await readdir(this.#folder).catch(() => [])) this.#writable.add(name);
  }

  /** The folders of a writable one. */
  async prepare(name: string, readOnly: boolean): Promise<void> {
    if (readOnly) return;
    this.#writable.add(name);
    // Its owner is the root of the container's file system, whoever made the folder.
    for (const part of ['fs', 'work']) await mkdir(join(this.#folder, name, part), { recursive: true, mode: 0o755 });
  }

  /** After `prepare`. `layers`: what the snapshotter says of the unpacked image's view. */
  mounts(name: string, layers: readonly Mount[], readOnly: boolean): Mount[] {
    if (readOnly) return [...layers];
    const [upper, work] = ['fs', 'work'].map((part) => join(this.#folder, name, part));
    const lower = lowerFolders(layers).join(':');
    const options = [`lowerdir=${lower}`, `upperdir=${upper}`, `workdir=${work}`, 'index=off'];
    if (kernelAtLeast(...VOLATILE_SINCE)) options.push('volatile');
    return [{ type: 'overlay', source: 'overlay', target: '', options }];
  }

  async remove(name: string): Promise<void> {
    if (!this.#writable.delete(name)) return;
    await rm(join(this.#folder, name), { recursive: true, force: true });
  }
}

/** Topmost first. A view of one layer is a bind of its folder, of several an overlay. */
function lowerFolders(layers: readonly Mount[]): string[] {
  return layers.flatMap(({ type, source, options }) => {
    if (type !== 'overlay') return [source];
    const lower = options.find((option) => option.startsWith('lowerdir='));
    return lower === undefined ? [] : lower.slice('lowerdir='.length).split(':');
  });
}

function kernelAtLeast(major: number, minor: number): boolean {
  const [a = 0, b = 0] = release().split('.').map(Number);
  return a > major || (a === major && b >= minor);
}
