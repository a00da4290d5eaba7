import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lifecycle } from '../backends/lifecycle.js';
import { resolvePaths } from '../config/paths.js';
import type { WorkerConfig } from '../config/schema.js';

/** Source that comes as an archive: unpacked into a folder of its own, which is thrown away once the function is prepared. */
export class Uploads {
  readonly #config: WorkerConfig;
  readonly #lifecycle: Lifecycle;

  constructor(config: WorkerConfig, lifecycle: Lifecycle) {
    this.#config = config;
    this.#lifecycle = lifecycle;
  }

  /** The folder with what is in the archive. Rejects with an IluvatarError, and leaves nothing, when it is not fit to be unpacked. */
  async unpack(archive: Uint8Array): Promise<string> {
    const uploads = join(resolvePaths(this.#config).dataDir, 'uploads');
    await mkdir(uploads, { recursive: true, mode: 0o700 });
    const folder = await mkdtemp(join(uploads, 'upload-'));
    try {
      const { sourceMaxBytes } = this.#config.limits;
      await this.#lifecycle.run('unpackArchive', { archive, into: folder, maxBytes: sourceMaxBytes });
    } catch (error) {
      await this.discard(folder);
      throw error;
    }
    return folder;
  }

  async discard(folder: string): Promise<void> {
    await rm(folder, { recursive: true, force: true });
  }
}
