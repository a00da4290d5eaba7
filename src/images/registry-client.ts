import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { IluvatarError } from '../core/errors.js';
import { type Blob, checked, digestOf } from './blobs.js';
import { type Descriptor, isIndex, MEDIA, parseIndex } from './documents.js';
import { invalid, reasonOf } from './failure.js';
import { assertDocumentSize, type BaseImage, type BaseReader, baseFromManifest, checkedDocument } from './image.js';
import { type Platform, pickManifest } from './platform.js';
import { formatReference, type ImageReference, manifestName } from './references.js';
import { type Credentials, dockerCredentials } from './registry-auth.js';
import { RegistryHttp, SILENCE_MS } from './registry-http.js';

/** Reads images from a registry over the Distribution API, version 2. A layer is fetched only when it is read, and taken up again where it broke off. */

const DOCUMENTS = [MEDIA.index, MEDIA.manifest, MEDIA.dockerIndex, MEDIA.dockerManifest].join(', ');
const TRIES = 4;
const MAX_NESTING = 3;

/** The image of a reference for this platform, to build upon. */
export async function pullBase(
  reference: ImageReference,
  platform: Platform,
  credentials: Credentials = dockerCredentials,
): Promise<BaseImage> {
  const where = formatReference(reference);
  const http = new RegistryHttp(reference.registry, credentials);
  const { registry, repository } = reference;
  const scope = `repository:${repository}:pull`;
  const source: Source = { http, repository, scope, where };
  const reader: BaseReader = {
    where,
    from: { registry, repository },
    document: async (descriptor) => {
      assertDocumentSize(descriptor.size, `${where}: ${descriptor.digest}`);
      const chunks: Buffer[] = [];
      for await (const chunk of blobStream(source, descriptor)) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks);
    },
    blob: (descriptor): Blob => ({
      digest: descriptor.digest,
      size: descriptor.size,
      open: () => blobStream(source, descriptor),
    }),
  };
  let bytes = await manifest(source, manifestName(reference));
  if (reference.digest !== null)
    checkedDocument(bytes, { digest: reference.digest, size: bytes.length, mediaType: '' }, where);
  for (let depth = 0; isIndex(bytes, `the manifest of ${where}`); depth++) {
    if (depth >= MAX_NESTING) throw invalid(`the indexes of ${where} are nested too deep`);
    const found = pickManifest(parseIndex(bytes, `the index of ${where}`), platform, where);
    bytes = checkedDocument(await manifest(source, found.digest), found, where);
  }
  return baseFromManifest(bytes, reader, platform);
}

interface Source {
  readonly http: RegistryHttp;
  readonly repository: string;
  readonly scope: string;
  readonly where: string;
}

async function manifest({ http, repository, scope, where }: Source, name: string): Promise<Buffer> {
  const response = await http.send({
    method: 'GET',
    url: `/v2/${repository}/manifests/${name}`,
    scope,
    headers: { accept: DOCUMENTS },
    tries: TRIES,
  });
  if (!response.ok) throw await http.refusal(response, `there is no image ${where} to build upon`);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of bodyOf(response, where)) {
    size += chunk.length;
    assertDocumentSize(size, `the manifest of ${where}`);
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  const announced = response.headers.get('docker-content-digest');
  if (announced?.startsWith('sha256:') === true && announced !== digestOf(bytes)) {
    throw invalid(`the manifest of ${where} has the digest ${digestOf(bytes)}, and was announced as ${announced}`);
  }
  return bytes;
}

/** A blob of the repository, checked. */
function blobStream(source: Source, { digest, size }: Descriptor): Readable {
  return checked(Readable.from(pieces(source, digest, size), { objectMode: false }), digest, size, source.where);
}

/** After a break the rest is asked for; as long as something comes each time, for as often as it takes. */
async function* pieces(
  { http, repository, scope, where }: Source,
  digest: string,
  size: number,
): AsyncGenerator<Buffer> {
  let got = 0;
  for (let barren = 0; ; ) {
    const response = await http.send({
      method: 'GET',
      url: `/v2/${repository}/blobs/${digest}`,
      scope,
      headers: got === 0 ? {} : { range: `bytes=${got}-${size - 1}` },
      tries: TRIES,
    });
    if (!response.ok) throw await http.refusal(response, `${where} lacks the blob ${digest}`);
    // Whoever does not know ranges begins anew.
    let skip = response.status === 206 ? 0 : got;
    const before = got;
    try {
      for await (const chunk of bodyOf(response, where)) {
        const fresh = chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - fresh.length;
        got += fresh.length;
        if (fresh.length > 0) yield fresh;
        if (got > size) return;
      }
    } catch (error) {
      if (!(error instanceof IluvatarError) || error.errorClass !== 'unavailable') throw error;
      if (got === before && barren + 1 >= TRIES) throw error;
    }
    if (got >= size) return;
    barren = got === before ? barren + 1 : 0;
    if (barren >= TRIES) return;
  }
}

/** The bytes of an answer; `unavailable` when it breaks off or falls silent. */
async function* bodyOf(response: Response, where: string): AsyncGenerator<Buffer> {
  if (response.body === null) return;
  const body = Readable.fromWeb(response.body as ReadableStream<Uint8Array>);
  const silent = (): void => {
    body.destroy(new Error(`nothing came for ${SILENCE_MS} ms`));
  };
  let timer = setTimeout(silent, SILENCE_MS);
  try {
    for await (const chunk of body) {
      // Not while the reader is busy: its slowness is no silence of the registry.
      clearTimeout(timer);
      yield Buffer.from(chunk as Uint8Array);
      timer = setTimeout(silent, SILENCE_MS);
    }
  } catch (error) {
    throw new IluvatarError('unavailable', `the registry of ${where} broke off: ${reasonOf(error)}`);
  } finally {
    clearTimeout(timer);
    body.destroy();
  }
}
