import { readdirSync, readlinkSync } from 'node:fs';
import type { WatchedLog } from './watched.js';

/**
 * Notices descriptors that are opened and never closed. While nothing runs, a process whose containers and connections have not become more has no use for more descriptors
 * than before: what has grown then is a leak, long before the limit makes every `open` fail. Not promised: that it is told from a cache that grows and then stays.
 */
export interface DescriptorWatchOptions {
  /** Time between two looks; ms, 0 = never. */
  readonly checkMs: number;
  /** So many more are a leak. */
  readonly growth: number;
  readonly log: WatchedLog;
  /** null while something runs: what is open then says nothing. */
  known(): KnownDescriptors | null;
}

export interface KnownDescriptors {
  readonly containers: number;
  /** Open connections that are accounted for elsewhere, one descriptor each. */
  readonly connections: number;
}

interface Reading {
  readonly containers: number;
  /** Open, without those of connections. */
  readonly open: number;
  readonly kinds: ReadonlyMap<string, number>;
}

export class DescriptorWatch {
  readonly #options: DescriptorWatchOptions;
  #least: Reading | null = null;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;
  #told = false;
  #note: string | null = null;

  constructor(options: DescriptorWatchOptions) {
    this.#options = options;
  }

  /** For health; null = nothing has grown. */
  get note(): string | null {
    return this.#note;
  }

  /** To be called when something has run: an idle worker has no timer here. */
  arm(): void {
    const { checkMs } = this.#options;
    if (this.#timer !== null || this.#stopped || checkMs === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      // What ran until now has to be looked at once it is at rest.
      if (!this.check()) this.arm();
    }, checkMs);
    this.#timer.unref();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** One look; false = something runs. */
  check(): boolean {
    const known = this.#options.known();
    if (known === null) return false;
    const now = read(known);
    const least = this.#least;
    if (least === null || now.containers > least.containers || now.open < least.open) {
      this.#least = now;
      this.#note = null;
      return true;
    }
    const grown = now.open - least.open;
    if (grown >= this.#options.growth) this.#tell(grown, least, now);
    else this.#note = null;
    return true;
  }

  #tell(grown: number, least: Reading, now: Reading): void {
    const kinds = [...now.kinds]
      .map(([kind, count]) => [kind, count - (least.kinds.get(kind) ?? 0)] as const)
      .filter(([, more]) => more > 0)
      .sort(([, a], [, b]) => b - a);
    const named = kinds.slice(0, MOST_KINDS).map(([kind, more]) => `${more} × ${kind}`);
    this.#note = `${grown} more descriptors are open than before, while nothing runs (${named.join(', ')}): one may be left open with each call`;
    if (this.#told) return;
    // Once: it will be said in health from now on.
    this.#told = true;
    this.#options.log.warn({ grown, open: now.open, kinds: Object.fromEntries(kinds) }, 'open descriptors have grown');
  }
}

const MOST_KINDS = 4;

function read({ containers, connections }: KnownDescriptors): Reading {
  const kinds = new Map<string, number>();
  const descriptors = readdirSync('/proc/self/fd');
  for (const descriptor of descriptors) {
    const kind = kindOf(descriptor);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return { containers, open: descriptors.length - connections, kinds };
}

/** `socket`, `pipe`, `anon_inode:[eventpoll]`, or the path of a file. */
function kindOf(descriptor: string): string {
  try {
    const target = readlinkSync(`/proc/self/fd/${descriptor}`);
    return target.replace(/^(socket|pipe):\[\d+\]$/, '$1');
  } catch {
    // The one with which the folder itself was read.
    return 'closed';
  }
}
