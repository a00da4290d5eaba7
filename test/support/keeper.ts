import { closeSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Keeper } from '../../src/keeper/keeper.js';

/** What the keeper of a worker holds, and its process. Asked as the worker asks. */

export interface KeptName {
  /** `<worker>/<container>` */
  readonly name: string;
  /** Process id of the keeper. */
  readonly keeper: number;
}

const CONTAINER = 'container ';

/** Its containers; none where there is no keeper. */
export async function keptBy(dataDir: string): Promise<KeptName[]> {
  const path = join(dataDir, 'keeper.sock');
  const keeper = await Keeper.find({ path, log: { warn() {} } });
  if (keeper === null) return [];
  try {
    const held = await keeper.list();
    for (const fd of held.flatMap(({ fds }) => fds)) closeSync(fd);
    const pid = keeperOf(path);
    const names = held.filter(({ key }) => key.startsWith(CONTAINER)).map(({ key }) => key.slice(CONTAINER.length));
    return names.map((name) => ({ name, keeper: pid }));
  } finally {
    keeper.close();
  }
}

/** 0 = there is none. */
export function keeperOf(path: string): number {
  const pid = readdirSync('/proc').find((entry) => /^\d+$/.test(entry) && commandOf(entry).includes(path));
  return Number(pid ?? 0);
}

/** Empty when it is no keeper's. */
function commandOf(pid: string): string[] {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return command[0]?.endsWith('iluvatar-keeper') === true ? command : [];
  } catch {
    return [];
  }
}
