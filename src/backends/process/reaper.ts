import { failpoint } from '../../failpoints.js';
import type { CgroupLayout } from '../cgroups/layout.js';
import type { Lifecycle } from '../lifecycle.js';
import type { BackendLog } from '../log.js';
import type { Networks } from '../networks.js';
import type { UserIds } from '../user-ids.js';
import type { AgentsSocket } from './agents-socket.js';
import type { Cell } from './cell.js';

/**
 * Ends cells and gives back what they held: processes, cgroups, uids, folders. Batched, because a hundred containers of an
 * unregistered function end together.
 */
interface Ending {
  readonly cell: Cell;
  readonly done: () => void;
}

/** A supervisor ends its container as soon as its connection ends; one that does not is killed after this. */
const GRACE_MS = 1_000;
const LIMIT_MS = 10_000;

export interface ReaperOptions {
  readonly socket: AgentsSocket;
  readonly layout: CgroupLayout;
  readonly lifecycle: Lifecycle;
  readonly userIds: UserIds | null;
  readonly networks: Networks | null;
  readonly log: BackendLog;
}

export class Reaper {
  readonly #socket: AgentsSocket;
  readonly #layout: CgroupLayout;
  readonly #lifecycle: Lifecycle;
  readonly #userIds: UserIds | null;
  readonly #networks: Networks | null;
  readonly #log: BackendLog;
  /** Also of those that are gone: ending one twice would give its uid back twice. */
  readonly #known = new WeakMap<Cell, Promise<void>>();
  readonly #ending = new Map<Cell, Promise<void>>();
  #batch: Ending[] = [];
  #scheduled = false;
  /** Cells whose processes could not be ended. */
  stuck = 0;
  ended = 0;

  constructor(options: ReaperOptions) {
    this.#socket = options.socket;
    this.#layout = options.layout;
    this.#lifecycle = options.lifecycle;
    this.#userIds = options.userIds;
    this.#networks = options.networks;
    this.#log = options.log;
  }

  /** Resolves when nothing of it is left. Never rejects. Idempotent. */
  end(cell: Cell): Promise<void> {
    const known = this.#known.get(cell);
    if (known !== undefined) return known;
    cell.close(this.#socket);
    const promise = new Promise<void>((resolve) => {
      this.#batch.push({ cell, done: resolve });
    });
    this.#known.set(cell, promise);
    this.#ending.set(cell, promise);
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.#flush());
    }
    return promise;
  }

  /** Every ending under way. */
  async settled(): Promise<void> {
    while (this.#ending.size > 0) await Promise.all(this.#ending.values());
  }

  names(): string[] {
    return [...this.#ending.keys()].map((cell) => cell.name);
  }

  #flush(): void {
    this.#scheduled = false;
    const batch = this.#batch;
    this.#batch = [];
    failpoint('process.ending');
    void this.#gone(batch).then((gone) => {
      failpoint('process.ended');
      for (const [index, { cell, done }] of batch.entries()) {
        this.ended++;
        // Also of one that is stuck: without its link it reaches nobody.
        if (cell.network !== null) this.#networks?.bridged.give(cell.network);
        if (gone[index] === true) {
          if (cell.userId !== null) this.#userIds?.give(cell.userId);
        } else {
          // Its uid stays taken: a live process of that uid could otherwise signal the next container's.
          this.stuck++;
          this.#log.error({ container: cell.name, pid: cell.pid }, 'a container could not be ended');
        }
        this.#ending.delete(cell);
        done();
      }
    });
  }

  async #gone(batch: readonly Ending[]): Promise<boolean[]> {
    try {
      const gone =
        this.#layout.parents.length === 0
          ? await this.#lifecycle.run('awaitProcesses', {
              pids: batch.map(({ cell }) => cell.pid),
              graceMs: GRACE_MS,
              limitMs: LIMIT_MS,
            })
          : await this.#lifecycle.run('removeCgroups', {
              groups: batch.map(({ cell }) => ({ dirs: cell.cgroup.dirs, versions: [...this.#layout.versions] })),
              graceMs: GRACE_MS,
              limitMs: LIMIT_MS,
            });
      return gone;
    } catch (error) {
      this.#log.error({ reason: (error as Error).message }, 'containers could not be removed');
      return batch.map(() => false);
    }
  }
}
