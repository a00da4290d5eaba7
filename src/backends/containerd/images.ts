// TEMPORARY
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { writeArchive } from '../../images/docker-archive.js';
import type { ImageConfig } from '../../images/documents.js';
import { parseReference } from '../../images/references.js';
import type { Mount } from '../../rpc/gen/types.js';
import type { NamedImage } from '../oci/engine.js';
import { type ContainerdClient, ignore } from './client.js';
export interface ContainerdImage {
  readonly reference: string;
  readonly mounts: Mount[];
  readonly key: string;
}
export class ContainerdImages {
  readonly #c: ContainerdClient;
  readonly #made = new Map<string, ContainerdImage>();
  constructor(client: ContainerdClient, _o: { snapshotter: string; scope: string }) {
    this.#c = client;
  }
  async import(named: NamedImage, _p: (line: string) => void): Promise<ContainerdImage> {
    const known = this.#made.get(named.image.manifest.digest);
    if (known) return known;
    const file = `/tmp/il-tmp-${randomBytes(4).toString('hex')}.tar`;
    await writeArchive(named.image, parseReference(named.reference), file);
    execFileSync('ctr', ['-a', this.#c.address, '-n', this.#c.namespace, 'images', 'import', file], {
      stdio: 'ignore',
    });
    rmSync(file);
    const diffs = named.config.rootfs.diff_ids ?? [];
    let chain = diffs[0] as string;
    for (const d of diffs.slice(1)) chain = `sha256:${createHash('sha256').update(`${chain} ${d}`).digest('hex')}`;
    const key = `view-${randomBytes(4).toString('hex')}`;
    const { mounts } = await this.#c.call('v', this.#c.snapshots.view, this.#c.snapshots, {
      snapshotter: 'overlayfs',
      key,
      parent: chain,
      labels: {},
    });
    const image = { reference: named.reference, mounts, key };
    this.#made.set(named.image.manifest.digest, image);
    return image;
  }
  async find(
    _r: string,
  ): Promise<{ image: ContainerdImage; config: ImageConfig; digest: string; layers: null } | null> {
    return null;
  }
  async release(image: ContainerdImage): Promise<void> {
    await this.#c
      .call('r', this.#c.snapshots.remove, this.#c.snapshots, { snapshotter: 'overlayfs', key: image.key })
      .catch(ignore(() => true));
  }
  async releaseAll(): Promise<void> {
    for (const i of this.#made.values()) await this.release(i);
  }
}
