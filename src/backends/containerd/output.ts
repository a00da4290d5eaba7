import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { native } from '../../native.js';
import { closeAll } from '../kept.js';

/**
 * What containers write to their standard output and error, through named pipes: the engine or the process itself writes, the worker reads as it comes. A pipe
 * holds 64 KiB and no more, so nothing piles up anywhere: a container whose output nobody takes waits. Pipes are used again: making two of
 * them would be a tenth of what a container costs the worker. Each two have a folder of their own: containerd's other clients (`ctr tasks delete`) remove the folder that they find a
 * task's pipes in, with all that is in it.
 */
export type OutputSink = (stream: 'stdout' | 'stderr', chunk: Buffer) => void;

export interface OutputPipes {
  readonly stdout: string;
  readonly stderr: string;
}

/** What goes to a later process: while somebody has a copy of the ends for reading, what is written to the pipes waits in them. */
export interface KeepablePipes {
  /** Their folder's name. */
  readonly folder: string;
  /** Of standard output and error. They stay the pair's own. */
  readonly fds: readonly number[];
}

interface Pair extends OutputPipes {
  readonly sockets: readonly Socket[];
  readonly fds: readonly number[];
  sink: OutputSink | null;
}

/** Kept for the next containers. */
const MOST_SPARE = 64;
/** What the last writer left in a pipe is read before the next one's container gets it. */
const DRAIN_MS = 100;

export class ContainerOutputs {
  readonly #folder: string;
  readonly #used = new Map<string, Pair>();
  readonly #spare: Pair[] = [];
  readonly #draining = new Map<NodeJS.Timeout, Pair>();
  #made = 0;
  #closed = false;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** What an earlier worker left there goes, but for the folders of those that live on. */
  open(kept: readonly string[] = []): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    for (const entry of readdirSync(this.#folder)) {
      if (!kept.includes(entry)) rmSync(join(this.#folder, entry), { recursive: true, force: true });
    }
    this.#made = Math.max(0, ...kept.map(Number));
  }

  /** Throws system errors. */
  take(container: string, sink: OutputSink): OutputPipes {
    const pair = this.#spareOne() ?? this.#make();
    pair.sink = sink;
    this.#used.set(container, pair);
    return pair;
  }

  /** null = it has none that are whole. */
  keepable(container: string): KeepablePipes | null {
    const pair = this.#used.get(container);
    if (pair === undefined || pair.sockets.some(({ destroyed }) => destroyed)) return null;
    return { folder: basename(dirname(pair.stdout)), fds: pair.fds };
  }

  /** Reads on where an earlier process has stopped. The descriptors are the pair's from now on. Throws, with them closed, for what are no such pipes. */
  adopt(container: string, { folder, fds }: KeepablePipes, sink: OutputSink): void {
    this.#used.set(container, this.#read(join(this.#folder, folder), fds, sink));
  }

  /** Nothing writes to them any more. Idempotent. */
  give(container: string): void {
    const pair = this.#used.get(container);
    if (pair === undefined) return;
    this.#used.delete(container);
    const drained = setTimeout(() => {
      this.#draining.delete(drained);
      pair.sink = null;
      if (this.#closed || this.#spare.length >= MOST_SPARE) end(pair);
      else this.#spare.push(pair);
    }, DRAIN_MS);
    this.#draining.set(drained, pair);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#draining.keys()) clearTimeout(timer);
    for (const pair of [...this.#used.values(), ...this.#draining.values(), ...this.#spare.splice(0)]) end(pair);
    this.#used.clear();
    this.#draining.clear();
  }

  get inUse(): number {
    return this.#used.size;
  }

  /** undefined = there is none that is still where it was made. */
  #spareOne(): Pair | undefined {
    for (;;) {
      const pair = this.#spare.pop();
      if (pair === undefined || existsSync(pair.stderr)) return pair;
      end(pair);
    }
  }

  #make(): Pair {
    const folder = join(this.#folder, `${++this.#made}`);
    mkdirSync(folder, { mode: 0o700 });
    const fds: number[] = [];
    try {
      for (const stream of STREAMS) fds.push(native().system.openFifo(join(folder, stream)));
    } catch (error) {
      closeAll(fds);
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
    return this.#read(folder, fds, null);
  }

  #read(folder: string, fds: readonly number[], sink: OutputSink | null): Pair {
    const [stdout, stderr] = STREAMS.map((stream) => join(folder, stream)) as [string, string];
    const sockets: Socket[] = [];
    const pair: Pair = { stdout, stderr, sockets, fds, sink };
    try {
      if (fds.length !== STREAMS.length) throw new Error(`${fds.length} descriptors for ${STREAMS.length} pipes`);
      for (const [i, stream] of STREAMS.entries()) {
        const socket = new Socket({ fd: fds[i] as number, readable: true, writable: false });
        socket.on('data', (chunk: Buffer) => pair.sink?.(stream, chunk));
        socket.on('error', () => socket.destroy());
        sockets.push(socket);
      }
    } catch (error) {
      closeAll(fds.slice(sockets.length));
      end(pair);
      throw error;
    }
    return pair;
  }
}

const STREAMS = ['stdout', 'stderr'] as const;

function end({ sockets, stdout }: Pair): void {
  for (const socket of sockets) socket.destroy();
  rmSync(dirname(stdout), { recursive: true, force: true });
}
