import { join } from 'node:path';
import { failpoint } from '../../failpoints.js';
import { type CgroupEvidence, native } from '../../native.js';
import type { Cgroup } from '../cgroups/pool.js';
import type { NamespaceSource, NetworkLease } from '../networks.js';
import { withChildren } from './cgroup.js';
import type { OciContext } from './context.js';
import { withUncountedKills } from './uncounted-kills.js';

/** A container without what speaks to it: what it has been given so far, on the machine and in the engine, how its processes are reached, and how all of it goes. */

const SIGKILL = 9;

export class OciBody {
  /** As the engine knows it; '' = it has no name yet. */
  engineName = '';
  cgroup: Cgroup | null = null;
  network: NetworkLease | null = null;
  /** Of its first process; 0 = it does not run, as far as is known. */
  pid = 0;
  /** The engine was asked to make it. */
  asked = false;
  readonly #context: OciContext;
  #killed = false;

  constructor(context: OciContext) {
    this.#context = context;
  }

  get dirs(): readonly string[] {
    return this.cgroup?.dirs ?? [];
  }

  /** Through its cgroup where it has one: that reaches all of it, and works while the engine is away. */
  kill(): void {
    const { layout, log } = this.#context;
    this.#killed = true;
    try {
      if (this.dirs.length > 0) {
        const { dirs, versions } = withChildren(this.dirs, layout.versions);
        native().cgroup.killAll(dirs, versions);
      } else this.signal(SIGKILL);
    } catch (error) {
      const reason = (error as Error).message;
      log.warn({ container: this.engineName, reason }, 'a container could not be killed at once');
    }
  }

  /** Its first process alone. false = there is none. */
  signal(signal: number): boolean {
    try {
      return this.pid > 0 && native().system.kill(this.pid, signal);
    } catch {
      return false;
    }
  }

  /** Nothing of it runs any more. Without cgroups nobody knows: false. */
  get empty(): boolean {
    if (this.dirs.length === 0) return false;
    try {
      return native().cgroup.pids(withChildren(this.dirs, this.#context.layout.versions).dirs).length === 0;
    } catch {
      return false;
    }
  }

  /** `outOfMemory`: as the engine says it. */
  evidence(outOfMemory: boolean | null): CgroupEvidence | null {
    if (this.dirs.length === 0) return null;
    try {
      const found = native().cgroup.evidence([...this.dirs], [...this.#context.layout.versions]);
      return withUncountedKills(found, outOfMemory, this.#killed);
    } catch {
      return null;
    }
  }

  /** Everything of it goes. Never rejects; resolves with whether the engine may have something left. */
  async remove(): Promise<boolean> {
    const { engine, log } = this.#context;
    let left = false;
    failpoint('engine.remove');
    // Before the engine is asked to: it then finds it ended, and has one thing less to do.
    if (this.pid > 0) this.kill();
    try {
      if (this.asked) await engine.remove(this.engineName);
    } catch (error) {
      left = true;
      log.error({ container: this.engineName, reason: (error as Error).message }, 'a container could not be removed');
    }
    await this.#giveBack();
    failpoint('engine.removed');
    return left;
  }

  async #giveBack(): Promise<void> {
    const { cgroup, network } = this;
    const { removeCgroup, removeFolder, sockets, networks } = this.#context;
    if (cgroup === null) return;
    await removeFolder(join(sockets, cgroup.name));
    await removeCgroup(cgroup);
    if (network !== null && networks !== null) sourceOf(network, networks)?.give(network);
  }
}

/** Where a lease is from. */
export function sourceOf(
  { address }: NetworkLease,
  { bridged, isolated }: NonNullable<OciContext['networks']>,
): NamespaceSource | null {
  return address === null ? isolated : (bridged as NamespaceSource);
}
