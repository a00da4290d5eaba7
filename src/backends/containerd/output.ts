import { rmSync } from 'node:fs';
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
  readonly #sockets: Socket[] = [];

  /** Makes the pipes in `folder`. Throws system errors; nothing is left then. */
  constructor(folder: string, name: string, write: (stream: 'stdout' | 'stderr', chunk: Buffer) => void) {
    this.paths = { stdout: join(folder, `${name}.out`), stderr: join(folder, `${name}.err`) };
    try {
      for (const stream of ['stdout', 'stderr'] as const) this.#open(stream, write);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    for (const path of Object.values(this.paths)) rmSync(path, { force: true });
  }

  #open(stream: 'stdout' | 'stderr', write: (stream: 'stdout' | 'stderr', chunk: Buffer) => void): void {
    const path = this.paths[stream];
    const fd = native().system.openFifo(path);
    const socket = new Socket({ fd, readable: true, writable: false });
    socket.on('data', (chunk: Buffer) => write(stream, chunk));
    socket.on('error', () => socket.destroy());
    this.#sockets.push(socket);
  }
}
