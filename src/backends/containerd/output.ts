import { constants, mkdirSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { native } from '../../native.js';

/**
 * What a container writes to its standard output and error, through two named pipes: the engine or the process itself writes, the worker reads as it
 * comes. A pipe holds 64 KiB and no more, so nothing piles up anywhere: a container whose output nobody takes waits.
 */
export interface OutputPaths {
  readonly stdout: string;
  readonly stderr: string;
}

export class ContainerOutput {
  readonly paths: OutputPaths;
  readonly #folder: string;
  readonly #sockets: Socket[] = [];

  /**
   * Makes the pipes in a folder of their own below `parent`: containerd's own clients (`ctr tasks delete`) remove the whole folder that they find a task's pipes in.
   * Throws system errors; nothing is left then.
   */
  constructor(parent: string, name: string, write: (stream: 'stdout' | 'stderr', chunk: Buffer) => void) {
    this.#folder = join(parent, name);
    this.paths = { stdout: join(this.#folder, 'stdout'), stderr: join(this.#folder, 'stderr') };
    try {
      mkdirSync(this.#folder, { mode: 0o700 });
      for (const stream of ['stdout', 'stderr'] as const) this.#open(stream, write);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #open(stream: 'stdout' | 'stderr', write: (stream: 'stdout' | 'stderr', chunk: Buffer) => void): void {
    const path = this.paths[stream];
    native().system.makeFifo(path);
    // Without waiting for a writer; and for writing too, so that one writer's end does not end the pipe for the next (engine, then process).
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    const socket = new Socket({ fd, readable: true, writable: false });
    socket.on('data', (chunk: Buffer) => write(stream, chunk));
    socket.on('error', () => socket.destroy());
    this.#sockets.push(socket);
  }
}
