import { IluvatarError } from '../core/errors.js';
import type { Blob } from './blobs.js';
import { invalid } from './failure.js';
import { type BuiltImage, blobsOf, type ImageLayer } from './image.js';
import { formatReference, type ImageReference } from './references.js';
import { type Credentials, dockerCredentials } from './registry-auth.js';
import { RegistryHttp } from './registry-http.js';

/**
 * Pushes an image to a registry: what is there already is not sent, what another repository of the same registry has is taken over from there, and what breaks off is
 * taken up where the registry says it stands. The manifest comes last, so that nobody sees an image without its layers.
 */

/** The digest of the image, and how many blobs were sent, taken over from another repository, and there already. */
export interface Pushed {
  readonly digest: string;
  readonly sent: number;
  readonly mounted: number;
  readonly there: number;
}

const TRIES = 4;
/** Held in memory, sent as one request. */
const PART_BYTES = 8 * 1024 * 1024;

export async function pushImage(
  image: BuiltImage,
  target: ImageReference,
  progress: (line: string) => void,
  credentials: Credentials = dockerCredentials,
): Promise<Pushed> {
  if (target.digest !== null) throw invalid('an image is pushed under a tag: its digest is not ours to choose');
  const upload = new Upload(new RegistryHttp(target.registry, credentials), target.repository);
  const counts = { sent: 0, mounted: 0, there: 0 };
  // Of equal layers the lowest counts, which is the base's.
  const layers = new Map([...image.layers].reverse().map((layer) => [layer.blob.digest, layer]));
  for (const blob of blobsOf(image)) {
    if (blob === image.manifest) continue;
    const how = await upload.blob(blob, layers.get(blob.digest) ?? null);
    progress(`${blob.digest.slice(0, 19)} ${how === 'there' ? 'is there' : `is ${how}`} (${blob.size} bytes)`);
    counts[how]++;
  }
  await upload.manifest(image, target);
  progress(`pushed ${formatReference(target)}`);
  return { digest: image.manifest.digest, ...counts };
}

class Upload {
  readonly #http: RegistryHttp;
  readonly #repository: string;

  constructor(http: RegistryHttp, repository: string) {
    this.#http = http;
    this.#repository = repository;
  }

  async blob(blob: Blob, layer: ImageLayer | null): Promise<'sent' | 'mounted' | 'there'> {
    for (let attempt = 1; ; attempt++) {
      if (await this.#has(blob)) return attempt === 1 ? 'there' : 'sent';
      try {
        const begun = await this.#begin(blob, layer);
        if (begun === null) return 'mounted';
        await this.#send(blob, begun);
        return 'sent';
      } catch (error) {
        const passing = error instanceof IluvatarError && error.errorClass === 'unavailable';
        if (!passing || attempt >= TRIES) throw error;
      }
    }
  }

  async manifest({ manifest, mediaType }: BuiltImage, target: ImageReference): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of manifest.open()) chunks.push(chunk as Buffer);
    const response = await this.#http.send({
      method: 'PUT',
      url: `/v2/${this.#repository}/manifests/${target.tag ?? 'latest'}`,
      scope: this.#scope(null),
      headers: { 'content-type': mediaType },
      body: Buffer.concat(chunks),
      tries: TRIES,
    });
    if (!response.ok) throw await this.#http.refusal(response, `the manifest of ${formatReference(target)} is refused`);
    await response.body?.cancel();
    const stored = response.headers.get('docker-content-digest');
    if (stored !== null && stored !== manifest.digest) {
      throw invalid(`${this.#http.registry} stored ${stored} in place of ${manifest.digest}`);
    }
  }

  async #has({ digest, size }: Blob): Promise<boolean> {
    const url = `/v2/${this.#repository}/blobs/${digest}`;
    const response = await this.#http.send({ method: 'HEAD', url, scope: this.#scope(null), tries: TRIES });
    await response.body?.cancel();
    const length = response.headers.get('content-length');
    return response.ok && (length === null || Number(length) === size);
  }

  /** Where to send it; null = the registry took it over from the repository it comes from. */
  async #begin({ digest }: Blob, layer: ImageLayer | null): Promise<URL | null> {
    const from = layer?.from?.registry === this.#http.registry ? layer.from.repository : null;
    const mount = from === null ? '' : `?mount=${digest}&from=${encodeURIComponent(from)}`;
    const url = `/v2/${this.#repository}/blobs/uploads/${mount}`;
    const response = await this.#http.send({ method: 'POST', url, scope: this.#scope(from), tries: TRIES });
    if (response.status === 201) {
      await response.body?.cancel();
      return null;
    }
    if (response.status !== 202) throw await this.#http.refusal(response, `${this.#repository} takes no uploads`);
    return this.#location(response, null);
  }

  async #send(blob: Blob, begun: URL): Promise<void> {
    let at = begun;
    let offset = 0;
    for await (const { part, last } of parts(blob)) {
      // One that fits into a single part is sent with the request that completes it.
      if (last && offset === 0) return this.#complete(blob, at, part);
      at = await this.#part(at, part, offset);
      offset += part.length;
    }
    await this.#complete(blob, at, Buffer.alloc(0));
  }

  /** Sends one part; whatever breaks off is asked about and continued. */
  async #part(begun: URL, part: Buffer, offset: number): Promise<URL> {
    let at = begun;
    let done = 0;
    for (let attempt = 1; done < part.length; attempt++) {
      const from = offset + done;
      const body = part.subarray(done);
      const headers = {
        'content-type': 'application/octet-stream',
        'content-range': `${from}-${from + body.length - 1}`,
      };
      try {
        const response = await this.#http.send({ method: 'PATCH', url: at, scope: this.#scope(null), headers, body });
        if (response.status === 202) return this.#location(response, at);
        if (response.status !== 416)
          throw await this.#http.refusal(response, `the upload of ${this.#repository} is refused`);
        await response.body?.cancel();
        if (attempt >= TRIES) throw new IluvatarError('unavailable', 'the upload does not come on');
      } catch (error) {
        const passing = error instanceof IluvatarError && error.errorClass === 'unavailable';
        if (!passing || attempt >= TRIES) throw error;
      }
      const state = await this.#state(at);
      at = state.at;
      done = state.received - offset;
      if (done < 0 || done > part.length) throw new IluvatarError('unavailable', 'the upload lost what was sent');
    }
    return at;
  }

  /** How much of an upload has arrived. */
  async #state(at: URL): Promise<{ at: URL; received: number }> {
    const response = await this.#http.send({ method: 'GET', url: at, scope: this.#scope(null), tries: TRIES });
    await response.body?.cancel();
    if (response.status !== 204) throw new IluvatarError('unavailable', 'the upload is not known any more');
    // "0-0" is what registries say both of one byte and of none: then the part is sent from its beginning.
    const end = /-(\d+)$/.exec(response.headers.get('range') ?? '')?.[1];
    const received = end === undefined || end === '0' ? 0 : Number(end) + 1;
    return { at: this.#location(response, at), received };
  }

  async #complete({ digest }: Blob, at: URL, body: Buffer): Promise<void> {
    const url = new URL(at);
    url.searchParams.set('digest', digest);
    const headers = { 'content-type': 'application/octet-stream' };
    const response = await this.#http.send({ method: 'PUT', url, scope: this.#scope(null), headers, body });
    if (response.status === 404) throw new IluvatarError('unavailable', 'the upload is not known any more');
    if (!response.ok) throw await this.#http.refusal(response, `${digest} is refused`);
    await response.body?.cancel();
  }

  #location(response: Response, at: URL | null): URL {
    const location = response.headers.get('location');
    if (location === null && at !== null) return at;
    void response.body?.cancel();
    if (location === null) throw invalid(`${this.#http.registry} does not say where to upload to`);
    return this.#http.resolve(location);
  }

  #scope(from: string | null): string {
    const own = `repository:${this.#repository}:pull,push`;
    return from === null || from === this.#repository ? own : `${own} repository:${from}:pull`;
  }
}

/** A blob in parts of equal size, but for the last. */
async function* parts(blob: Blob): AsyncGenerator<{ part: Buffer; last: boolean }> {
  let held: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of blob.open()) {
    held.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    while (bytes > PART_BYTES) {
      const all = Buffer.concat(held);
      held = [all.subarray(PART_BYTES)];
      bytes -= PART_BYTES;
      yield { part: all.subarray(0, PART_BYTES), last: false };
    }
  }
  yield { part: Buffer.concat(held), last: true };
}
