import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { status } from '@grpc/grpc-js';
import { IluvatarError } from '../../core/errors.js';
import type { ImageConfig } from '../../images/documents.js';
import type { LayerBytes } from '../../images/image-user.js';
import type { Mount } from '../../rpc/gen/types.js';
import type { NamedImage } from '../oci/engine.js';
import { type ContainerdClient, ContainerdError, ignore } from './client.js';
import { storedBlob } from './content.js';
import { deleteImage, findImage, getImage, importImage, OWNER, type StoredImage } from './stored-image.js';
import { chainIds, snapshotExists, unpack } from './unpack.js';

/** The images that one worker uses: each under a lease of its own, so that nothing of it goes while a container may need it, with a view of its snapshots. */

export interface ContainerdImage {
  readonly reference: string;
  /** Of its manifest. */
  readonly digest: string;
  /** What it looks like, read-only. */
  readonly mounts: readonly Mount[];
}

export interface FoundContainerdImage {
  readonly image: ContainerdImage;
  readonly config: ImageConfig;
  readonly digest: string;
  readonly layers: readonly LayerBytes[];
}

export interface ContainerdImagesOptions {
  readonly snapshotter: string;
  /** The worker's mark on everything of its own. */
  readonly scope: string;
}

interface Use {
  readonly name: ImageName;
  /** Resolves with the name of its uppermost snapshot. */
  readonly make: (lease: string) => Promise<string>;
  image: Promise<ContainerdImage>;
  restoring: Promise<boolean> | null;
  count: number;
}

export interface ImageName {
  readonly reference: string;
  readonly digest: string;
}

/** On leases, beside `OWNER`: what to remove with them. */
const REFERENCE = 'dev.iluvatar.image';
const DIGEST = 'dev.iluvatar.digest';

export class ContainerdImages {
  readonly #client: ContainerdClient;
  readonly #options: ContainerdImagesOptions;
  /** By lease. */
  readonly #uses = new Map<string, Use>();
  /** Containers of an earlier process that live on such an image, by lease: whoever registers it or not, it stays for them. */
  readonly #spared = new Map<string, { readonly name: ImageName; readonly containers: Set<string> }>();
  /** Leases that could not be taken away when nobody used them any more. */
  readonly #left = new Map<string, ImageName>();

  constructor(client: ContainerdClient, options: ContainerdImagesOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Rejects with an IluvatarError. */
  import(named: NamedImage, progress: (line: string) => void): Promise<ContainerdImage> {
    const { snapshotter, scope } = this.#options;
    const name = { reference: named.reference, digest: named.image.manifest.digest };
    // Made again later, nobody listens.
    let tell = progress;
    const options = { snapshotter, owner: scope, progress: (line: string) => tell(line) };
    const image = this.#use(name, (lease) => importImage(this.#client, named, { ...options, lease }));
    return image.finally(() => {
      tell = () => undefined;
    });
  }

  /** What containerd has under this name, in use from now on, and unpacked if it was not; null = nothing, or not all of it. Rejects with an IluvatarError. */
  async find(reference: string): Promise<FoundContainerdImage | null> {
    const client = this.#client;
    const { snapshotter } = this.#options;
    try {
      const found = await findImage(client, reference);
      if (found === null || !(await this.#complete(found))) return null;
      const { config, digest, layers } = found;
      const image = await this.#use({ reference, digest }, (lease) => unpack(client, layers, { snapshotter, lease }));
      const readable = layers.map((layer) => ({
        mediaType: layer.mediaType,
        open: () => Readable.from(bytesOf(client, layer.digest), { objectMode: false }),
      }));
      return { image, config, digest, layers: readable };
    } catch (error) {
      throw asIluvatarError(error);
    }
  }

  /** What it looks like now. */
  async mounts(image: ContainerdImage): Promise<readonly Mount[]> {
    const use = this.#uses.get(this.#leaseOf(image));
    return (await (use?.image ?? image)).mounts;
  }

  /** Makes one again that somebody took away, from what it was made of. Resolves with whether that was so. Rejects with an IluvatarError. */
  async restore(image: ContainerdImage): Promise<boolean> {
    const lease = this.#leaseOf(image);
    const use = this.#uses.get(lease);
    if (use === undefined) return false;
    use.restoring ??= this.#restore(lease, use).finally(() => {
      use.restoring = null;
    });
    return use.restoring;
  }

  /** Once for each `import` and `find`. */
  async release(image: ContainerdImage): Promise<void> {
    const lease = this.#leaseOf(image);
    const use = this.#uses.get(lease);
    if (use === undefined || --use.count > 0) return;
    this.#uses.delete(lease);
    await this.removeLeft();
    await this.#release(lease, image);
  }

  /** Takes away what could not be taken away before. Never rejects: what stays is tried again the next time. */
  async removeLeft(): Promise<void> {
    for (const [lease, name] of [...this.#left]) await this.#release(lease, name).catch(() => undefined);
  }

  async releaseAll(): Promise<void> {
    const uses = [...this.#uses];
    this.#uses.clear();
    for (const [lease, { name, image }] of uses) {
      if (this.#spared.has(lease)) continue;
      await image.catch(() => undefined);
      await this.#drop(lease, name);
    }
  }

  /** Before `sweep`: a container that lives on it. Until it has `gone`, the image stays. */
  spare(container: string, { reference, digest }: ImageName): void {
    const name = { reference, digest };
    const lease = this.#leaseOf(name);
    const spared = this.#spared.get(lease) ?? { name, containers: new Set() };
    spared.containers.add(container);
    this.#spared.set(lease, spared);
  }

  /** Never rejects: what stays is tried again the next time. */
  async gone(container: string): Promise<void> {
    for (const [lease, { name, containers }] of this.#spared) {
      if (!containers.delete(container) || containers.size > 0) continue;
      this.#spared.delete(lease);
      await this.#release(lease, name).catch(() => undefined);
    }
  }

  /** Removes what an earlier run of this worker held, but for what is spared. Before, no other container of it may be left. Resolves with what was removed. */
  async sweep(): Promise<readonly string[]> {
    const { leases } = this.#client;
    const filters = [`labels."${OWNER}"==${this.#options.scope}`];
    const found = await this.#client.call('Leases.List', leases.list, leases, { filters });
    const removed: string[] = [];
    for (const { id, labels } of found.leases) {
      if (this.#uses.has(id) || this.#spared.has(id)) continue;
      await this.#drop(id, { reference: labels[REFERENCE] ?? '', digest: labels[DIGEST] ?? '' });
      removed.push(`lease ${id}`);
    }
    return removed;
  }

  /** `make` resolves with the name of the image's uppermost snapshot. */
  #use(name: ImageName, make: (lease: string) => Promise<string>): Promise<ContainerdImage> {
    const lease = this.#leaseOf(name);
    const known = this.#uses.get(lease);
    if (known !== undefined) {
      known.count++;
      return this.#stillThere(lease, known);
    }
    const image = this.#hold(lease, name, make).catch(async (error: unknown) => {
      if (this.#uses.get(lease)?.image === image) this.#uses.delete(lease);
      await this.#release(lease, name).catch(() => undefined);
      throw asIluvatarError(error);
    });
    this.#uses.set(lease, { name, make, image, restoring: null, count: 1 });
    return image;
  }

  async #stillThere(lease: string, use: Use): Promise<ContainerdImage> {
    try {
      const image = await use.image;
      await this.restore(image);
      return await use.image;
    } catch (error) {
      if (this.#uses.get(lease) === use) use.count--;
      throw error;
    }
  }

  async #restore(lease: string, use: Use): Promise<boolean> {
    try {
      if (await snapshotExists(this.#client, this.#options.snapshotter, viewOf(lease))) return false;
      await this.#client.ensureNamespace();
      const image = await this.#hold(lease, use.name, use.make);
      use.image = Promise.resolve(image);
      return true;
    } catch (error) {
      const { reference } = use.name;
      throw new IluvatarError(
        'unavailable',
        `the image ${reference} is not in containerd any more, and could not be brought there again: ${(error as Error).message}`,
      );
    }
  }

  async #hold(lease: string, name: ImageName, make: (lease: string) => Promise<string>): Promise<ContainerdImage> {
    const { leases, snapshots } = this.#client;
    const { snapshotter, scope } = this.#options;
    const labels = { [OWNER]: scope, [REFERENCE]: name.reference, [DIGEST]: name.digest };
    await this.#client
      .call('Leases.Create', leases.create, leases, { id: lease, labels })
      .catch(ignore((error) => error.alreadyExists));
    const parent = await make(lease);
    const key = viewOf(lease);
    const { mounts } = await this.#client
      .call('Snapshots.View', snapshots.view, snapshots, { snapshotter, key, parent, labels: {} }, { lease })
      .catch((error: unknown) => {
        // Of an earlier run, whose lease this is, too.
        ignore((failure) => failure.alreadyExists)(error);
        return this.#client.call('Snapshots.Mounts', snapshots.mounts, snapshots, { snapshotter, key });
      });
    return { ...name, mounts };
  }

  async #release(lease: string, name: ImageName): Promise<void> {
    this.#left.set(lease, name);
    // In use again meanwhile, or by containers that are older than this process.
    if (!this.#uses.has(lease) && !this.#spared.has(lease)) await this.#drop(lease, name);
    this.#left.delete(lease);
  }

  /** Does what can be done of it; rejects with the first failure. */
  async #drop(lease: string, { reference, digest }: ImageName): Promise<void> {
    const client = this.#client;
    const { leases, snapshots } = client;
    const { snapshotter, scope } = this.#options;
    const key = viewOf(lease);
    const steps = [
      () => client.call('Snapshots.Remove', snapshots.remove, snapshots, { snapshotter, key }),
      async () => {
        // A name that somebody else gave, or that stands for something else by now, is not ours to take away.
        const known = reference === '' ? null : await getImage(client, reference);
        if (known?.labels[OWNER] === scope && known.target?.digest === digest) await deleteImage(client, reference);
      },
      () => client.call('Leases.Delete', leases.delete, leases, { id: lease, sync: true }),
    ];
    const failures: unknown[] = [];
    for (const step of steps) {
      try {
        await step();
      } catch (error) {
        if (!(error instanceof ContainerdError && error.notFound)) failures.push(error);
      }
    }
    if (failures.length > 0) throw asIluvatarError(failures[0]);
  }

  /** Either it is unpacked, or all that it would be unpacked from is there. */
  async #complete({ layers }: StoredImage): Promise<boolean> {
    const top = chainIds(layers.map(({ diffId }) => diffId)).at(-1);
    if (top === undefined || (await snapshotExists(this.#client, this.#options.snapshotter, top))) return true;
    for (const { digest } of layers) if ((await storedBlob(this.#client, digest)) === null) return false;
    return true;
  }

  /** The same for every run of a worker: it finds its own again. */
  #leaseOf({ reference, digest }: ImageName): string {
    const hash = createHash('sha256').update(`${reference}@${digest}`).digest('hex').slice(0, 16);
    return `iluvatar.${this.#options.scope}.${hash}`;
  }
}

function viewOf(lease: string): string {
  return `${lease}.view`;
}

async function* bytesOf(client: ContainerdClient, digest: string): AsyncGenerator<Buffer> {
  const blob = await storedBlob(client, digest);
  if (blob === null) throw new IluvatarError('unavailable', `containerd has no layer ${digest} any more`);
  yield* blob.open();
}

/** What it refuses is wrong with the image or the settings; everything else (a full disk, a daemon that is away) is containerd's. */
const REFUSALS = [status.INVALID_ARGUMENT, status.NOT_FOUND, status.FAILED_PRECONDITION, status.UNIMPLEMENTED];

function asIluvatarError(error: unknown): unknown {
  if (!(error instanceof ContainerdError)) return error;
  return new IluvatarError(REFUSALS.includes(error.code) ? 'invalid' : 'unavailable', error.message);
}
