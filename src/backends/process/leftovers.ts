import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { resolveDataDir } from '../../config/paths.js';
import type { WorkerConfig } from '../../config/schema.js';
import type { Leftovers } from '../leftovers.js';
import { temporarySockets } from './paths.js';

/** Half-made code and layers, uploads, and the sockets of containers. Code and layers that are complete stay: they belong to what is registered. */
export class FolderLeftovers implements Leftovers {
  readonly #dataDir: string;

  constructor(config: Pick<WorkerConfig, 'name' | 'dataDir'>) {
    this.#dataDir = resolveDataDir(config);
  }

  async list(): Promise<readonly string[]> {
    return this.#found().map((path) => `folder ${path}`);
  }

  async remove(): Promise<void> {
    for (const path of this.#found()) rmSync(path, { recursive: true, force: true });
  }

  #found(): string[] {
    const shards = ['staging', 'run'].flatMap((name) => inFolder(join(this.#dataDir, name)));
    const elsewhere = temporarySockets(this.#dataDir);
    return [
      ...shards.flatMap(inFolder),
      ...inFolder(join(this.#dataDir, 'uploads')),
      ...(elsewhere === null ? [] : [elsewhere]),
    ];
  }
}

function inFolder(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => join(folder, name));
  } catch {
    // Not there, or no folder.
    return [];
  }
}
