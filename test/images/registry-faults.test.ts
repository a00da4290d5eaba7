import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bytesBlob } from '../../src/images/blobs.js';
import { documentBytes, MEDIA } from '../../src/images/documents.js';
import { assembleImage, type BaseImage, type BuiltImage } from '../../src/images/image.js';
import { emptyConfig, withLayer } from '../../src/images/image-config.js';
import { parsePlatform } from '../../src/images/platform.js';
import { parseReference } from '../../src/images/references.js';
import { dockerCredentials } from '../../src/images/registry-auth.js';
import { pullBase } from '../../src/images/registry-client.js';
import { pushImage } from '../../src/images/registry-push.js';
import { FakeRegistry, refuse } from './fake-registry.js';
import { bytesOf, temporaryFolder, write } from './support.js';

const AMD64 = parsePlatform('linux/amd64');

let registry: FakeRegistry;
beforeEach(async () => {
  registry = await FakeRegistry.start();
});
afterEach(() => registry.stop());

/** An image of one layer: the registry does not look into it. */
function imageOf(layer: Buffer): BuiltImage {
  const blob = bytesBlob(layer);
  const config = withLayer(emptyConfig(AMD64), blob.digest, 'test');
  return assembleImage(config, [{ blob, mediaType: MEDIA.layer, diffId: blob.digest, from: null }], {});
}

/** Content in which every part differs from every other. */
function noise(bytes: number): Buffer {
  const parts = Array.from({ length: Math.ceil(bytes / 32) }, (_, i) => createHash('sha256').update(`${i}`).digest());
  return Buffer.concat(parts).subarray(0, bytes);
}

async function serve(image: BuiltImage): Promise<void> {
  for (const blob of [image.config, ...image.layers.map((layer) => layer.blob)]) {
    registry.blobs.set(blob.digest, await bytesOf(blob.open()));
  }
  registry.manifests.set('1', await bytesOf(image.manifest.open()));
}

const nobody = async (): Promise<null> => null;
const pull = (name = 'app:1', credentials = nobody as () => Promise<string | null>): Promise<BaseImage> =>
  pullBase(parseReference(`${registry.host}/${name}`), AMD64, credentials);
const layerOf = async (base: BaseImage): Promise<Buffer> =>
  bytesOf((base.layers[0] as BaseImage['layers'][0]).blob.open());
const push = (image: BuiltImage): Promise<unknown> =>
  pushImage(image, parseReference(`${registry.host}/app:1`), () => undefined, nobody);

describe('pulling', () => {
  const content = noise(300_000);
  let image: BuiltImage;
  beforeEach(async () => {
    image = imageOf(content);
    await serve(image);
  });

  it('reads the image, and a layer only when it is asked for', async () => {
    const base = await pull();
    expect(registry.count('GET', /blobs/)).toBe(1);
    expect(content.equals(await layerOf(base))).toBe(true);
  });

  it('takes up a blob where it broke off', async () => {
    const base = await pull();
    let breaks = 2;
    registry.fault = ({ path, headers }, response) => {
      if (!path.includes('/blobs/') || breaks-- <= 0) return false;
      const from = Number(/=(\d+)/.exec(headers.range ?? '')?.[1] ?? 0);
      response.writeHead(from === 0 ? 200 : 206, { 'content-length': content.length - from });
      response.write(content.subarray(from, from + 100_000), () => response.destroy());
      return true;
    };
    expect(content.equals(await layerOf(base))).toBe(true);
    expect(registry.asked.at(-1)?.headers.range).toMatch(/^bytes=\d+-299999$/);
  });

  it('begins anew where the registry knows no ranges', async () => {
    const base = await pull();
    let breaks = 1;
    registry.fault = ({ path }, response) => {
      if (!path.includes('/blobs/')) return false;
      response.writeHead(200, { 'content-length': content.length });
      if (breaks-- > 0) response.write(content.subarray(0, 100_000), () => response.destroy());
      else response.end(content);
      return true;
    };
    expect(content.equals(await layerOf(base))).toBe(true);
  });

  it('refuses a blob that is not what its digest says, one that ends early, and one that does not end', async () => {
    const base = await pull();
    const { digest } = image.layers[0]?.blob ?? { digest: '' };
    registry.blobs.set(digest, Buffer.from(content).fill(0, 5, 6));
    await expect(layerOf(base)).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringContaining('has the digest'),
    });
    registry.blobs.set(digest, content.subarray(0, 1000));
    await expect(layerOf(base)).rejects.toThrow('cut short: 1000 of 300000 bytes');
    registry.blobs.set(digest, Buffer.concat([content, content]));
    await expect(layerOf(base)).rejects.toThrow('longer than its 300000 bytes');
  });

  it('refuses a manifest that is not what was asked for', async () => {
    const name = `app@sha256:${'0'.repeat(64)}`;
    registry.manifests.set(`sha256:${'0'.repeat(64)}`, registry.manifests.get('1') as Buffer);
    await expect(pull(name)).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringContaining('has the digest'),
    });
    registry.manifests.set('1', Buffer.from('<html>welcome to the hotel</html>'));
    await expect(pull()).rejects.toThrow('is not JSON');
    registry.manifests.set('1', Buffer.from('{"schemaVersion":1,"fsLayers":[]}'));
    await expect(pull()).rejects.toThrow("Docker's first schema");
    registry.manifests.set('1', Buffer.alloc(5 * 1024 * 1024, 32));
    await expect(pull()).rejects.toThrow('is larger than');
  });

  it('refuses layers that it cannot build upon', async () => {
    const manifest = JSON.parse((registry.manifests.get('1') as Buffer).toString()) as {
      layers: { mediaType: string }[];
    };
    for (const layer of manifest.layers) layer.mediaType = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';
    registry.manifests.set('1', documentBytes(manifest));
    await expect(pull()).rejects.toThrow('which cannot be built upon');
  });

  it('goes through an index to the platform’s image', async () => {
    const bytes = registry.manifests.get('1') as Buffer;
    registry.manifests.set(image.manifest.digest, bytes);
    const entry = { mediaType: MEDIA.manifest, digest: image.manifest.digest, size: bytes.length };
    const other = { ...entry, digest: `sha256:${'1'.repeat(64)}` };
    const unknown = { ...other, platform: { os: 'unknown', architecture: 'unknown' } };
    const index = {
      schemaVersion: 2,
      manifests: [unknown, { ...other, platform: { os: 'linux', architecture: 's390x' } }],
    };
    registry.manifests.set('1', documentBytes(index));
    await expect(pull()).rejects.toThrow('has no image for linux/amd64; it has linux/s390x');
    index.manifests.push({ ...entry, platform: { os: 'linux', architecture: 'amd64' } });
    registry.manifests.set('1', documentBytes(index));
    expect((await pull()).layers.length).toBe(1);
    // An index that leads to itself has no end.
    registry.manifests.set(image.manifest.digest, bytes.subarray(1));
    await expect(pull()).rejects.toThrow('cut short');
  });

  it('tries again after what passes by itself, and gives up after what does not', async () => {
    let failures = 2;
    registry.fault = (_, response) => {
      if (failures-- <= 0) return false;
      refuse(response, 503, 'UNAVAILABLE', 'later');
      return true;
    };
    expect((await pull()).layers.length).toBe(1);
    failures = 1000;
    await expect(pull()).rejects.toMatchObject({
      errorClass: 'unavailable',
      message: expect.stringContaining('answered GET with 503 (UNAVAILABLE: later)'),
    });
  });

  it('says that there is nobody, and that there is nothing', async () => {
    await expect(pull('other:2')).rejects.toMatchObject({
      errorClass: 'not_found',
      message: expect.stringContaining('MANIFEST_UNKNOWN: manifest unknown'),
    });
    await registry.stop();
    await expect(pull()).rejects.toMatchObject({
      errorClass: 'unavailable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
    registry = await FakeRegistry.start();
  });
});

describe('a registry that wants to know who asks', () => {
  beforeEach(() => serve(imageOf(noise(1000))));

  /** Bearer tokens from a service that is the same server. */
  function guard(token: string | null, realm = `http://${registry.host}/token`): void {
    registry.fault = ({ path, headers }, response) => {
      if (path === '/token') {
        if (token === null) refuse(response, 401, 'DENIED', 'who are you');
        else response.writeHead(200).end(JSON.stringify({ token, expires_in: 60 }));
        return true;
      }
      if (token !== null && headers.authorization === `Bearer ${token}`) return false;
      const challenge = `Bearer realm="${realm}",service="fake, registry",scope="repository:app:pull"`;
      refuse(response, 401, 'UNAUTHORIZED', 'authentication required', { 'www-authenticate': challenge });
      return true;
    };
  }

  it('gets the token of the service it names, once', async () => {
    guard('secret-token');
    await layerOf(await pull('app:1', async () => 'dXNlcjpwYXNz'));
    expect(registry.count('GET', /^\/token$/)).toBe(1);
    expect(registry.asked.find(({ path }) => path === '/token')?.headers.authorization).toBe('Basic dXNlcjpwYXNz');
  });

  it('gets a password where it asks for one', async () => {
    registry.fault = ({ headers }, response) => {
      if (headers.authorization === 'Basic dXNlcjpwYXNz') return false;
      refuse(response, 401, 'UNAUTHORIZED', 'who', { 'www-authenticate': 'Basic realm="basic-realm"' });
      return true;
    };
    expect((await pull('app:1', async () => 'dXNlcjpwYXNz')).layers.length).toBe(1);
    await expect(pull('app:1', async () => 'd3Jvbmc=')).rejects.toMatchObject({ errorClass: 'invalid' });
  });

  it('is not asked for ever, nor sent elsewhere in the clear', async () => {
    guard(null);
    await expect(pull()).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringMatching(/refuses repository:app:pull \(UNAUTHORIZED: .*docker login/),
    });
    expect(registry.asked.length).toBeLessThan(5);
    guard('x', 'http://example.invalid/token');
    await expect(pull()).rejects.toThrow('which is no https address');
  });

  it('gets what "docker login" wrote', async () => {
    const folder = temporaryFolder();
    try {
      const auths = { 'r.example:5000': { auth: 'QQ==' }, 'https://index.docker.io/v1/': { auth: 'Qg==' } };
      await write(folder.path, { 'config.json': JSON.stringify({ auths }) });
      const asked = (host: string): Promise<string | null> => dockerCredentials(host, { DOCKER_CONFIG: folder.path });
      expect(await asked('r.example:5000')).toBe('QQ==');
      expect(await asked('docker.io')).toBe('Qg==');
      expect(await asked('other.example')).toBe(null);
      expect(await dockerCredentials('x', { DOCKER_CONFIG: join(folder.path, 'none') })).toBe(null);
    } finally {
      folder.remove();
    }
  });
});

describe('pushing', () => {
  const large = noise(18 * 1024 * 1024);

  it('sends what is missing, in parts, and the manifest last', async () => {
    const image = imageOf(large);
    expect(await push(image)).toEqual({ digest: image.manifest.digest, sent: 2, mounted: 0, there: 0 });
    expect(registry.blobs.has(image.layers[0]?.blob.digest ?? '')).toBe(true);
    expect(registry.asked.at(-1)).toMatchObject({ method: 'PUT', path: '/v2/app/manifests/1' });
    expect(await push(image)).toMatchObject({ sent: 0, there: 2 });
  });

  it('goes on where an upload was interrupted', async () => {
    const image = imageOf(large);
    let seen = 0;
    registry.fault = ({ method, path }, response, body) => {
      if (method !== 'PATCH' || ++seen !== 2) return false;
      // Half of the part arrives; then the connection is gone.
      const id = path.split('/').at(-1) as string;
      registry.uploads.set(id, Buffer.concat([registry.uploads.get(id) as Buffer, body.subarray(0, 3_000_000)]));
      response.destroy();
      return true;
    };
    await push(image);
    expect(registry.blobs.has(image.layers[0]?.blob.digest ?? '')).toBe(true);
    expect(registry.count('POST', /uploads/)).toBe(2);
  });

  it('begins an upload anew that the registry has forgotten', async () => {
    const image = imageOf(large);
    let seen = 0;
    registry.fault = ({ method }, response) => {
      if (method !== 'PATCH' || ++seen !== 2) return false;
      registry.uploads.clear();
      response.destroy();
      return true;
    };
    await push(image);
    expect(registry.blobs.has(image.layers[0]?.blob.digest ?? '')).toBe(true);
    expect(registry.count('POST', /uploads/)).toBe(3);
  });

  it('sends a small blob again whose request failed', async () => {
    let failures = 1;
    registry.fault = ({ method, path }, response) => {
      if (method !== 'PUT' || !path.includes('uploads') || failures-- <= 0) return false;
      refuse(response, 500, 'UNKNOWN', 'disk');
      return true;
    };
    expect(await push(imageOf(noise(1000)))).toMatchObject({ sent: 2 });
  });

  it('leaves no image behind whose layers are refused', async () => {
    registry.fault = ({ method }, response) => {
      if (method !== 'POST') return false;
      refuse(response, 403, 'DENIED', 'requested access to the resource is denied');
      return true;
    };
    await expect(push(imageOf(noise(1000)))).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringContaining('answered with 403 (DENIED: requested access'),
    });
    expect(registry.manifests.size).toBe(0);
  });

  it('notices a manifest that was stored as another', async () => {
    registry.fault = ({ method, path }, response) => {
      if (method !== 'PUT' || !path.includes('manifests')) return false;
      response.writeHead(201, { 'docker-content-digest': `sha256:${'2'.repeat(64)}` }).end();
      return true;
    };
    await expect(push(imageOf(noise(1000)))).rejects.toThrow('in place of');
  });
});
