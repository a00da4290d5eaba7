import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { native } from '../../native.js';

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

interface Pair extends OutputPipes {
  readonly sockets: readonly Socket[];
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

  /** What an earlier worker left there goes. */
  open(): void {
    rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** Throws system errors. */
  take(container: string, sink: OutputSink): OutputPipes {
    const pair = this.#spareOne() ?? this.#make();
    pair.sink = sink;
    this.#used.set(container, pair);
    return pair;
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
    const pair: Pair = {
      stdout: join(folder, 'stdout'),
      stderr: join(folder, 'stderr'),
      sockets: [],
      sink: null,
    };
    const sockets: Socket[] = [];
    try {
      for (const stream of ['stdout', 'stderr'] as const) {
        const socket = new Socket({ fd: native().system.openFifo(pair[stream]), readable: true, writable: false });
        socket.on('data', (chunk: Buffer) => pair.sink?.(stream, chunk));
        socket.on('error', () => socket.destroy());
        sockets.push(socket);
      }
    } catch (error) {
      end({ ...pair, sockets });
      throw error;
    }
    return Object.assign(pair, { sockets });
  }
}

function end({ sockets, stdout }: Pair): void {
  for (const socket of sockets) socket.destroy();
  rmSync(dirname(stdout), { recursive: true, force: true });
}
