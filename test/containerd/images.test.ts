import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { ContainerdClient } from '../../src/backends/containerd/client.js';
import { storedBlob, writeBlob } from '../../src/backends/containerd/content.js';
import { ContainerdImages } from '../../src/backends/containerd/images.js';
import { importImage } from '../../src/backends/containerd/stored-image.js';
import { chainIds, snapshotExists } from '../../src/backends/containerd/unpack.js';
import type { NamedImage } from '../../src/backends/oci/engine.js';
import { type Blob, bytesBlob, digestOf } from '../../src/images/blobs.js';
import { parseConfig } from '../../src/images/documents.js';
import { blobsOf } from '../../src/images/image.js';
import { type LayerEntry, textFile } from '../../src/images/layer.js';
import { bytesOf, temporaryFolder } from '../images/support.js';
import { imageOf, type ProcessConfig } from '../oci/support.js';
import { ContainerdDaemon } from '../support/containerd-daemon.js';
import { describeWith } from '../support/requirement.js';

const SNAPSHOTTER = 'overlayfs';
let daemon: ContainerdDaemon;
let folder: ReturnType<typeof temporaryFolder>;
let namespace: string;
let client: ContainerdClient;
let images: ContainerdImages;

/** Everything that a namespace holds of images. */
async function held(): Promise<{ content: number; snapshots: number; images: number; leases: number }> {
  const lines = async (...args: string[]): Promise<number> =>
    (await daemon.ctr(namespace, ...args)).split('\n').filter((line) => line.trim() !== '').length;
  return {
    content: await lines('content', 'ls', '--quiet'),
    snapshots: (await lines('snapshots', '--snapshotter', SNAPSHOTTER, 'ls')) - 1,
    images: await lines('images', 'ls', '--quiet'),
    leases: await lines('leases', 'ls', '--quiet'),
  };
}

const NOTHING = { content: 0, snapshots: 0, images: 0, leases: 0 };

async function named(
  reference: string,
  layers: readonly (readonly LayerEntry[])[],
  { gzip = false, config = {} }: { gzip?: boolean; config?: ProcessConfig } = {},
): Promise<NamedImage> {
  const image = await imageOf({ Entrypoint: ['/hello'], ...config }, layers, gzip);
  return { reference, image, config: parseConfig(await bytesOf(image.config.open()), 'the configuration') };
}

/** A different one each time, so that no other test's blobs are found. */
const unique = (): LayerEntry => textFile('unique', randomBytes(8).toString('hex'));

const importAs = (image: NamedImage, progress: (line: string) => void = () => undefined) =>
  images.import(image, progress);

describeWith({ root: true, command: ['containerd', 'ctr', 'runc'] }, 'images in containerd', () => {
  beforeAll(async () => {
    daemon = await ContainerdDaemon.start();
  });
  afterAll(async () => {
    await daemon.close();
  });
  beforeEach(async () => {
    folder = temporaryFolder();
    namespace = `test-${randomBytes(4).toString('hex')}`;
    client = new ContainerdClient({ address: daemon.address, namespace });
    await client.ensureNamespace();
    images = new ContainerdImages(client, { snapshotter: SNAPSHOTTER, scope: 'worker.containerd' });
  });
  afterEach(async () => {
    client.close();
    folder.remove();
  });

  it.each([false, true])('are ordinary ones, which ctr runs (gzip: %s)', async (gzip) => {
    const program = await import('node:fs').then((fs) => fs.readFileSync('/bin/busybox')).catch(() => null);
    const files = program === null ? await shellFiles() : [binary('bin/sh', program)];
    const image = await named('iluvatar.local/hello:1', [files, [unique(), textFile('word', 'hello\n')]], {
      gzip,
      config: { Entrypoint: ['/bin/sh', '-c', 'read word < /word; echo "$word from $WHERE"'], Env: ['WHERE=inside'] },
    });
    const said: string[] = [];
    const made = await importAs(image, (line) => said.push(line));
    expect(said).toHaveLength(2);
    expect(made.digest).toBe(image.image.manifest.digest);
    expect(made.mounts).toHaveLength(1);
    expect(await daemon.ctr(namespace, 'images', 'ls', '--quiet')).toBe('iluvatar.local/hello:1\n');
    const id = `iluvatar-test-${randomBytes(4).toString('hex')}`;
    const printed = await daemon.ctr(namespace, 'run', '--rm', '--snapshotter', SNAPSHOTTER, made.reference, id);
    expect(printed).toBe('hello from inside\n');

    await images.release(made);
    expect(await held()).toEqual(NOTHING);
  });

  it('are sent once, shared, and kept until the last use is gone', async () => {
    const below = [unique()];
    const one = await named('iluvatar.local/one:1', [below, [textFile('a', 'b')]]);
    const two = await named('iluvatar.local/two:1', [below, [textFile('c', 'd')]]);
    const said: string[] = [];
    const [first, second] = await Promise.all([importAs(one, (line) => said.push(line)), importAs(one)]);
    expect(second).toBe(first);
    expect(said).toHaveLength(2);
    const third = await importAs(two, (line) => said.push(line));
    expect(said).toHaveLength(3);
    // A layer is shared as content and as a snapshot.
    expect(await held()).toMatchObject({ content: 3 + 2 * 2, images: 2, leases: 2, snapshots: 3 + 2 });
    await images.release(first);
    expect(await held()).toMatchObject({ images: 2 });
    await images.release(second);
    expect(await held()).toEqual({ content: 4, images: 1, leases: 1, snapshots: 2 + 1 });
    await images.release(third);
    expect(await held()).toEqual(NOTHING);
  });

  it('are found under their names, also what others brought, and left to them', async () => {
    const image = await named('docker.io/library/other:1', [[unique(), textFile('etc/passwd', 'app:x:5:6::/:\n')]], {
      config: { User: 'app' },
    });
    expect(await images.find(image.reference)).toBeNull();
    await importImage(client, image, { snapshotter: SNAPSHOTTER, lease: null, owner: null, progress: () => undefined });
    const before = await held();
    const found = await images.find(image.reference);
    expect(found).toMatchObject({ digest: image.image.manifest.digest, config: { config: { User: 'app' } } });
    expect(found?.image.mounts).toHaveLength(1);
    const [layer] = found?.layers ?? [];
    expect(digestOf(await bytesOf(layer?.open() as Readable))).toBe(image.image.layers[0]?.blob.digest);
    if (found !== null) await images.release(found.image);
    expect(await held()).toEqual(before);
  });

  it('take over a name that stood for another', async () => {
    const old = await named('iluvatar.local/moved:1', [[unique()]]);
    const made = await importAs(old);
    const next = await named('iluvatar.local/moved:1', [[unique()]]);
    const newer = await importAs(next);
    expect((await images.find(next.reference))?.digest).toBe(next.image.manifest.digest);
    await images.release(made);
    // Its name is the other's now.
    expect(await held()).toMatchObject({ images: 1 });
    await images.release(newer);
    await images.release(newer);
    expect(await held()).toEqual(NOTHING);
  });

  it('that a worker left are swept by its next run, and by nobody else’s', async () => {
    await importAs(await named('iluvatar.local/left:1', [[unique()]]));
    const other = new ContainerdImages(client, { snapshotter: SNAPSHOTTER, scope: 'other.containerd' });
    expect(await other.sweep()).toEqual([]);
    const next = new ContainerdImages(client, { snapshotter: SNAPSHOTTER, scope: 'worker.containerd' });
    expect(await next.sweep()).toHaveLength(1);
    expect(await held()).toEqual(NOTHING);
  });

  it('that containers of an earlier run live on stay until these have gone, and nobody has them registered', async () => {
    const [one, two] = await Promise.all([1, 2].map((n) => named(`iluvatar.local/spared:${n}`, [[unique()]])));
    const spared = [await importAs(one as NamedImage), await importAs(two as NamedImage)] as const;
    const next = new ContainerdImages(client, { snapshotter: SNAPSHOTTER, scope: 'worker.containerd' });
    next.spare('c1', spared[0]);
    next.spare('c2', spared[0]);
    next.spare('c3', spared[1]);
    expect(await next.sweep()).toEqual([]);
    await next.gone('c1');
    expect(await held()).toMatchObject({ images: 2 });
    await next.gone('c2');
    expect(await held()).toMatchObject({ images: 1 });
    // Registered again and let go, while a container still lives on it.
    const again = await next.import(two as NamedImage, () => undefined);
    expect(again.mounts).toEqual(spared[1].mounts);
    await next.release(again);
    expect(await held()).toMatchObject({ images: 1 });
    await next.gone('c3');
    expect(await held()).toEqual(NOTHING);
  });

  it('are all released at once when a worker stops', async () => {
    for (const name of ['a', 'b']) await importAs(await named(`iluvatar.local/${name}:1`, [[unique()]]));
    await images.releaseAll();
    expect(await held()).toEqual(NOTHING);
  });

  it('that are damaged leave nothing behind', async () => {
    const image = await named('iluvatar.local/broken:1', [[unique()]]);
    const [layer] = image.image.layers;
    if (layer === undefined) throw new Error('no layer');
    const wrong = (blob: Blob, diffId = layer.diffId): NamedImage => ({
      ...image,
      image: { ...image.image, layers: [{ ...layer, blob, diffId }] },
    });
    const cut = { ...layer.blob, open: () => Readable.from([Buffer.alloc(100)]) };
    await expect(importAs(wrong(cut))).rejects.toMatchObject({ errorClass: 'invalid' });
    const away = { ...layer.blob, open: () => Readable.from(failing(), { objectMode: false }) };
    await expect(importAs(wrong(away))).rejects.toThrow('the registry is away');
    await expect(importAs(wrong(layer.blob, digestOf(Buffer.from('other'))))).rejects.toThrow(/its image says/);
    expect(await held()).toEqual(NOTHING);
    expect(await daemon.ctr(namespace, 'content', 'active')).not.toMatch(/iluvatar-/);
    await importAs(image);
    await images.releaseAll();
    expect(await held()).toEqual(NOTHING);
  });

  it('need a snapshotter that is there', async () => {
    const none = new ContainerdImages(client, { snapshotter: 'nonesuch', scope: 'worker.containerd' });
    await expect(none.import(await named('iluvatar.local/x:1', [[unique()]]), () => undefined)).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringContaining('nonesuch') as string,
    });
    expect(await held()).toEqual(NOTHING);
  });

  it('are unpacked by the snapshotter of native folders, too', async () => {
    const native = new ContainerdImages(client, { snapshotter: 'native', scope: 'worker.containerd' });
    const made = await native.import(
      await named('iluvatar.local/x:1', [[unique()], [textFile('a', 'b')]]),
      () => undefined,
    );
    expect(readdirSync(made.mounts[0]?.source ?? '').sort()).toEqual(['a', 'unique']);
    await native.release(made);
    expect(await held()).toEqual(NOTHING);
  });

  it('go in parts, and go on where a write was interrupted', async () => {
    const bytes = randomBytes(5 * 1024 * 1024 + 17);
    const blob = bytesBlob(bytes);
    // A write of which only the first two parts came.
    const call = client.content.write(client.metadata());
    const part = 2 * 1024 * 1024;
    const common = { ref: `iluvatar-${blob.digest}`, total: blob.size, expected: blob.digest, labels: {} };
    await new Promise<void>((resolve, reject) => {
      call.once('error', reject);
      call.once('data', () => resolve());
      call.write({ ...common, action: 1, offset: 0, data: bytes.subarray(0, part) });
    });
    call.removeAllListeners('error').on('error', () => undefined);
    call.cancel();
    expect(await daemon.ctr(namespace, 'content', 'active')).toMatch(/iluvatar-sha256/);
    expect(await writeBlob(client, blob, { lease: null })).toBe(true);
    expect(await writeBlob(client, blob, { lease: null })).toBe(false);
    const stored = await storedBlob(client, blob.digest);
    expect(digestOf(await bytesOf(stored?.open() as Readable))).toBe(blob.digest);
    expect(await storedBlob(client, digestOf(Buffer.from('none')))).toBeNull();
  });

  it('may be imported by two workers at once', async () => {
    const image = await named('iluvatar.local/both:1', [[unique()], [textFile('big', 'x'.repeat(3_000_000))]]);
    const workers = ['a', 'b', 'c'].map((scope) => new ContainerdImages(client, { snapshotter: SNAPSHOTTER, scope }));
    const made = await Promise.all(workers.map((worker) => worker.import(image, () => undefined)));
    const top = chainIds(image.config.rootfs.diff_ids ?? []).at(-1) ?? '';
    await workers[0]?.releaseAll();
    await workers[1]?.releaseAll();
    expect(await snapshotExists(client, SNAPSHOTTER, top)).toBe(true);
    for (const { digest } of blobsOf(image.image)) expect(await storedBlob(client, digest)).not.toBeNull();
    expect(made).toHaveLength(3);
    await workers[2]?.releaseAll();
    expect(await held()).toEqual(NOTHING);
  });
});

async function* failing(): AsyncGenerator<Buffer> {
  yield Buffer.alloc(10);
  throw new Error('the registry is away');
}

function binary(path: string, bytes: Buffer): LayerEntry {
  return { path, mode: 0o755, type: 'file', size: bytes.length, open: () => Readable.from([bytes]) };
}

/** A shell with what it is linked against. */
async function shellFiles(): Promise<LayerEntry[]> {
  const { execFileSync } = await import('node:child_process');
  const { readFileSync } = await import('node:fs');
  const libraries = [...execFileSync('ldd', ['/bin/sh'], { encoding: 'utf8' }).matchAll(/(\/\S+)/g)].map(
    (match) => match[1] ?? '',
  );
  return ['/bin/sh', ...new Set(libraries)].map((path) => binary(path.slice(1), readFileSync(path)));
}
