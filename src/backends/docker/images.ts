import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { IluvatarError } from '../../core/errors.js';
import { archiveOf } from '../../images/docker-archive.js';
import { type ImageConfig, MEDIA } from '../../images/documents.js';
import type { BuiltImage } from '../../images/image.js';
import type { LayerBytes } from '../../images/image-user.js';
import { type ImageReference, parseReference } from '../../images/references.js';
import type { FoundImage, NamedImage } from '../oci/engine.js';
import type { ImageDetails } from './api.js';
import type { DockerClient } from './client.js';
import { DockerError, ignore } from './error.js';
import { LABELS } from './labels.js';
import { lines } from './lines.js';

/**
 * Images in Docker. What the worker brings is kept by a tag of its own, `iluvatar.local/kept-by/<worker>:<digest>`: nothing prunes it, other workers have theirs, and
 * what carries none is somebody else's and is never removed.
 */
export interface DockerImage {
  /** What containers are made of: `sha256:…`. */
  readonly id: string;
  /** Kept by a tag of ours. */
  readonly kept: boolean;
}

/** Names under this registry are the worker's to give and to take; all others may be a user's own image. */
const OWN_REGISTRY = 'iluvatar.local';
const KEPT_BY = `${OWN_REGISTRY}/kept-by`;
const EMPTY_TAR = Buffer.alloc(1024);
const TAG_DIGITS = 32;
/** Unpacking layers takes as long as the disk needs. */
const LOAD_TIMEOUT_MS = 15 * 60_000;

interface Held {
  /** How many functions have it. */
  count: number;
  readonly names: Set<string>;
}

/** Brings an image into Docker under a name. Rejects with DockerError, or with the error of a layer that cannot be read. */
export async function loadImage(client: DockerClient, image: BuiltImage, name: ImageReference): Promise<void> {
  const archive = archiveOf(image, name);
  try {
    const query = { quiet: true };
    const answer = await client.stream('POST', '/images/load', { query, timeoutMs: LOAD_TIMEOUT_MS }, archive);
    // Its failures come in an answer that began as a success.
    for await (const line of lines(answer)) {
      const { error } = JSON.parse(line) as { error?: string };
      if (error !== undefined) throw new DockerError('POST /images/load', 500, error);
    }
  } finally {
    archive.destroy();
  }
}

export class DockerImages {
  readonly #client: DockerClient;
  readonly #scope: string;
  readonly #repository: string;
  readonly #held = new Map<string, Held>();
  /** By the tag that will keep it: two registrations of one image load it once. */
  readonly #imports = new Map<string, Promise<string>>();
  /** Released, but a container still had it. */
  readonly #unreleased = new Map<string, ReadonlySet<string>>();
  /** One after the other. */
  #removal: Promise<void> = Promise.resolve();
  loaded = 0;

  constructor(client: DockerClient, scope: string) {
    this.#client = client;
    this.#scope = scope;
    // A worker's name may have what a repository's may not.
    const worker = createHash('sha256').update(scope).digest('hex').slice(0, 16);
    this.#repository = `${KEPT_BY}/${worker}`;
  }

  get size(): number {
    return this.#held.size;
  }

  async import(named: NamedImage, progress: (line: string) => void): Promise<DockerImage> {
    const { image, reference } = named;
    const keep = this.#keepName(image.config.digest);
    let loading = this.#imports.get(keep);
    if (loading === undefined) {
      loading = this.#removal.then(() => this.#ensure(named, keep, progress)).finally(() => this.#imports.delete(keep));
      this.#imports.set(keep, loading);
    }
    const id = await loading.catch(async (error: Error) => {
      await this.#giveUp(keep);
      throw asIluvatar(error, `"${reference}" could not be brought into Docker`);
    });
    const held = this.#held.get(id) ?? { count: 0, names: new Set([keep, ...(this.#unreleased.get(id) ?? [])]) };
    held.count++;
    this.#held.set(id, held);
    this.#unreleased.delete(id);
    const name = parseReference(reference);
    if (name.registry === OWN_REGISTRY) {
      held.names.add(reference);
      await this.#tag(id, name).catch(async (error: Error) => {
        await this.release({ id, kept: true });
        throw asIluvatar(error, `"${reference}" could not be named in Docker`);
      });
    }
    return { id, kept: true };
  }

  async find(reference: string): Promise<FoundImage<DockerImage> | null> {
    const details = await this.#inspect(reference).catch((error: Error) => {
      throw asIluvatar(error, `Docker could not be asked for "${reference}"`);
    });
    if (details === null) return null;
    return {
      image: { id: details.Id, kept: false },
      config: configOf(details),
      digest: details.Id,
      layers: [this.#accounts(details.Id)],
    };
  }

  /** What cannot be taken away now is tried again: when a container has gone, with the next release, at the end. */
  async release({ id, kept }: DockerImage): Promise<void> {
    const held = this.#held.get(id);
    if (!kept || held === undefined || --held.count > 0) return;
    this.#held.delete(id);
    this.#unreleased.set(id, held.names);
    await this.removeUnused();
  }

  /** Takes away what nothing holds. What a container still has, or a daemon that is away, stays for the next time. */
  removeUnused(): Promise<void> {
    this.#removal = this.#removal.then(() => this.#removeUnused());
    return this.#removal;
  }

  async #removeUnused(): Promise<void> {
    for (const [id, names] of [...this.#unreleased]) {
      // Being brought in again: an import waits for removals that began before it, and none begins after it.
      if ([...names].some((name) => this.#imports.has(name))) continue;
      this.#unreleased.delete(id);
      await this.#remove(id, names).catch(() => {
        this.#unreleased.set(id, names);
      });
    }
  }

  /** Removes all that carries this worker's tag, also of an earlier life of it. */
  async removeAll(): Promise<void> {
    const filters = { reference: [this.#repository] };
    const own = await this.#client.call<{ Id: string }[]>('GET', '/images/json', { query: { filters } });
    for (const { Id } of own) {
      // A filtered list has only the tags that fit the filter.
      const { RepoTags = null } = (await this.#inspect(Id)) ?? {};
      // Another worker's tags keep it for that one, under whatever name.
      const others = `${KEPT_BY}/`;
      const names = (RepoTags ?? []).filter(
        (name) =>
          name.startsWith(`${this.#repository}:`) || (name.startsWith(`${OWN_REGISTRY}/`) && !name.startsWith(others)),
      );
      await this.#remove(Id, new Set(names)).catch(ignore(({ conflict }) => conflict));
    }
    this.#held.clear();
  }

  async #ensure({ image, reference }: NamedImage, keep: string, progress: (line: string) => void): Promise<string> {
    // Kept since an earlier registration, or by an earlier life of this worker.
    const there = await this.#inspect(keep);
    if (there !== null) {
      progress(`${reference} is in Docker already`);
      return there.Id;
    }
    const bytes = image.layers.reduce((sum, { blob }) => sum + blob.size, 0);
    progress(`bringing ${reference} into Docker (${Math.ceil(bytes / 1024 / 1024)} MiB)`);
    await loadImage(this.#client, image, parseReference(keep));
    const details = await this.#inspect(keep);
    if (details === null) throw new DockerError('POST /images/load', 500, 'the image is not there after it was loaded');
    // A daemon that keeps images in containerd names them by manifest, others by configuration.
    if (details.Id !== image.config.digest && details.Id !== image.manifest.digest) {
      throw new DockerError('POST /images/load', 500, `it became ${details.Id}, not ${image.config.digest}`);
    }
    this.loaded++;
    return details.Id;
  }

  /** A failed import may have brought it in all the same. What is left even so goes at the end, with all that carries our tag. */
  async #giveUp(keep: string): Promise<void> {
    if ([...this.#held.values()].some(({ names }) => names.has(keep))) return;
    const details = await this.#inspect(keep).catch(() => null);
    if (details === null) return;
    this.#unreleased.set(details.Id, new Set([keep]));
    await this.removeUnused();
  }

  /** Takes our names off it; with the last name the image goes. */
  async #remove(id: string, names: ReadonlySet<string>): Promise<void> {
    for (const name of names) {
      // Somebody may have given the name to another image since.
      const details = await this.#inspect(name);
      if (details === null || details.Id !== id) continue;
      await this.#client.call('DELETE', `/images/${name}`).catch(ignore(({ notFound }) => notFound));
    }
  }

  #keepName(digest: string): string {
    return `${this.#repository}:${digest.slice('sha256:'.length).slice(0, TAG_DIGITS)}`;
  }

  async #tag(id: string, { registry, repository, tag }: ImageReference): Promise<void> {
    const query = { repo: `${registry}/${repository}`, tag: tag ?? 'latest' };
    await this.#client.call('POST', `/images/${id}/tag`, { query });
  }

  /** The image's /etc as a layer, for the names of users in it: taken out of a container that never runs. */
  #accounts(id: string): LayerBytes {
    const client = this.#client;
    const scope = this.#scope;
    async function* read(): AsyncGenerator<Buffer> {
      const body = { Image: id, Cmd: ['-'], Labels: { [LABELS.worker]: scope } };
      const { Id } = await client.call<{ Id: string }>('POST', '/containers/create', { body });
      try {
        const query = { path: '/etc' };
        const tar = await client
          .stream('GET', `/containers/${Id}/archive`, { query })
          .catch(ignore(({ notFound }) => notFound));
        if (tar === undefined) yield EMPTY_TAR;
        else yield* tar;
      } finally {
        await client.call('DELETE', `/containers/${Id}`, { query: { force: true, v: true } });
      }
    }
    return { mediaType: MEDIA.layer, open: () => Readable.from(read(), { objectMode: false }) };
  }

  async #inspect(name: string): Promise<ImageDetails | null> {
    const details = await this.#client
      .call<ImageDetails>('GET', `/images/${name}/json`)
      .catch(ignore(({ notFound }) => notFound));
    return details ?? null;
  }
}

function configOf({ Architecture, Variant, Os, Created, Config, RootFS }: ImageDetails): ImageConfig {
  return {
    architecture: Architecture,
    os: Os,
    ...(Variant === undefined || Variant === '' ? {} : { variant: Variant }),
    ...(Created === undefined || Created === '' ? {} : { created: Created }),
    config: Config,
    rootfs: { type: 'layers', diff_ids: RootFS.Layers ?? [] },
  };
}

function asIluvatar(error: Error, what: string): IluvatarError {
  if (error instanceof IluvatarError) return error;
  const away = error instanceof DockerError && error.status === 0;
  return new IluvatarError(away ? 'unavailable' : 'internal', `${what}: ${error.message}`);
}
