import { lstatSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processIdentity } from '../../backends/process-identity.js';
import { absentStrays, removeRemains } from './remains.js';

/**
 * The folder of a private daemon: root, state, sockets, logs. Its path is short, since sockets are in it, and names the process that the daemon is for: what that one could not
 * take away, because it was killed, the next one does.
 */
export class DaemonFolder {
  readonly path: string;
  readonly #strays = absentStrays();

  /** `engine`: `containerd`, `docker`. */
  constructor(engine: string) {
    sweepAbandoned();
    this.path = mkdtempSync(join(tmpdir(), `iluvatar-${engine}-`));
    writeFileSync(join(this.path, OWNER), processIdentity(process.pid));
  }

  /** Ends what runs in it and removes it. Throws an Error that names what could not be taken away. */
  remove(): void {
    const left = removeRemains(this.path, this.#strays);
    if (left.length > 0) throw new Error(`a private daemon left ${left.join(', ')}`);
  }
}

const OWNER = 'owner';
const NAME = /^iluvatar-(containerd|docker)-[A-Za-z0-9]{6}$/;

/** What is left of daemons whose owner is gone. */
export function sweepAbandoned(): void {
  for (const name of readdirSync(tmpdir())) {
    const folder = join(tmpdir(), name);
    if (NAME.test(name) && isAbandoned(folder)) removeRemains(folder);
  }
}

function isAbandoned(folder: string): boolean {
  try {
    const { uid } = lstatSync(folder);
    const owner = readFileSync(join(folder, OWNER), 'utf8');
    // Anybody can make a folder of this name there.
    return uid === process.getuid?.() && owner !== '' && processIdentity(Number(owner.split(' ')[0])) !== owner;
  } catch {
    // It is being made, or removed.
    return false;
  }
}
