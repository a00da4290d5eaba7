import { readdir, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Docker and runc make the parents of a container's cgroup in every hierarchy of the machine, also in those that the worker does not use (devices, freezer, a
 * named one), and remove them in none.
 */

/** Where hierarchies are mounted, from the text of /proc/self/mounts. */
export function hierarchies(mounts: string): string[] {
  return mounts
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
    .map(([, path = '']) => unescapePath(path));
}

/** Of a path in /proc/self/mounts or mountinfo, where spaces and the like are octal. */
export function unescapePath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** Removes the folders of one container in these hierarchies, except those that somebody else looks after. What still has something in it stays. */
export async function removeFolders(mounts: readonly string[], path: string, except: readonly string[]): Promise<void> {
  const folders = mounts.map((mount) => join(mount, path)).filter((folder) => !except.includes(folder));
  await Promise.all(folders.map(remove));
}

/** Removes a worker's folder, and all in it, where nothing lives; and the shared one above, with the last worker. */
export async function removeParents(mounts: readonly string[], path: string): Promise<void> {
  for (const folder of mounts.map((mount) => join(mount, path))) {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    const children = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
    await Promise.all(children.map(remove));
    await remove(folder);
    await remove(dirname(folder));
  }
}

async function remove(folder: string): Promise<void> {
  // Not there, or not empty: then it is another's, or is tried again with the next.
  await rmdir(folder).catch(() => {});
}
