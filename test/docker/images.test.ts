import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NamedImage } from '../../src/backends/oci/engine.js';
import { DockerDaemon } from '../support/docker-daemon.js';
import { describeWith } from '../support/requirement.js';
import { DOCKER, EngineHarness, type TestImage, testImage } from './harness.js';

/** Images that the worker brings into Docker, finds there, and takes away again. */

describeWith(DOCKER, 'images in Docker', () => {
  let daemon: DockerDaemon;
  let images: TestImage;
  const harnesses: EngineHarness[] = [];

  beforeAll(async () => {
    images = testImage();
    daemon = await DockerDaemon.start();
  });

  afterAll(async () => {
    for (const harness of harnesses) await harness.close();
    await daemon?.close();
    images?.remove();
  });

  async function worker(): Promise<EngineHarness> {
    const harness = new EngineHarness(daemon.socket);
    harnesses.push(harness);
    await harness.start();
    return harness;
  }

  async function tags(harness: EngineHarness): Promise<string[]> {
    const all = await harness.client.call<{ RepoTags: string[] | null }[]>('GET', '/images/json');
    return all.flatMap(({ RepoTags }) => RepoTags ?? ['<none>:<none>']).sort();
  }

  /** As a user would have it there. */
  async function usersOwn(harness: EngineHarness, { image }: NamedImage, name: string): Promise<void> {
    await harness.client.call('POST', `/images/${image.config.digest}/tag`, { query: { repo: name, tag: '1' } });
  }

  it('brings one in once, and takes it away with its last function', async () => {
    const harness = await worker();
    const { engine } = harness;
    const named = await images.named('iluvatar.local/hello:1', 'hello');
    const lines: string[] = [];
    const both = await Promise.all([1, 2].map(() => engine.importImage(named, (line) => lines.push(line))));
    const again = await engine.importImage({ ...named, reference: 'iluvatar.local/other:2' }, (line) =>
      lines.push(line),
    );
    expect(new Set([...both, again].map(({ id }) => id))).toEqual(new Set([named.image.config.digest]));
    expect(lines).toEqual([
      expect.stringMatching(/^bringing iluvatar\.local\/hello:1 into Docker \(\d+ MiB\)$/),
      'iluvatar.local/other:2 is in Docker already',
    ]);
    expect(engine.health().counters['engineImagesLoaded']).toBe(1);
    expect(await tags(harness)).toEqual([
      'iluvatar.local/hello:1',
      expect.stringMatching(/^iluvatar\.local\/kept-by\/[0-9a-f]{16}:[0-9a-f]{32}$/),
      'iluvatar.local/other:2',
    ]);
    for (const image of [...both, again]) {
      expect(await tags(harness)).not.toEqual([]);
      await engine.releaseImage(image);
    }
    expect(await tags(harness)).toEqual([]);
  });

  it('finds one by its name, with its configuration', async () => {
    const harness = await worker();
    const named = await images.named('iluvatar.local/found:1', 'found');
    const image = await harness.engine.importImage(named, () => {});
    await usersOwn(harness, named, 'a-users/tool');
    const found = await harness.engine.findImage('docker.io/a-users/tool:1');
    expect(found).toMatchObject({
      digest: named.image.config.digest,
      image: { id: image.id, kept: false },
      config: {
        os: 'linux',
        config: { Env: ['FROM_IMAGE=yes'], WorkingDir: '/bound', Cmd: ['/program'] },
        rootfs: { type: 'layers', diff_ids: named.config.rootfs.diff_ids },
      },
    });
    expect(await harness.engine.findImage('docker.io/library/nothing-of-that-name:9')).toBeNull();
    // A user's name stays, and with it the image; ours go.
    await harness.engine.releaseImage(image);
    await harness.engine.releaseImage(found?.image as typeof image);
    expect(await tags(harness)).toEqual(['a-users/tool:1']);
    await harness.client.call('DELETE', '/images/a-users/tool:1');
  });

  it('gives no name to an image that is not the worker’s', async () => {
    const harness = await worker();
    const named = await images.named('docker.io/library/debian:12', 'debian');
    const image = await harness.engine.importImage(named, () => {});
    expect(await tags(harness)).toEqual([expect.stringMatching(/^iluvatar\.local\/kept-by\//)]);
    await harness.engine.releaseImage(image);
    expect(await tags(harness)).toEqual([]);
  });

  it('leaves what another worker keeps, and takes away what an earlier life of its own left', async () => {
    const [one, two] = [await worker(), await worker()];
    const named = await images.named('iluvatar.local/shared:1', 'shared');
    const image = await one.engine.importImage(named, () => {});
    await two.engine.importImage(named, () => {});
    await one.engine.releaseImage(image);
    expect(await tags(one)).toEqual([expect.stringMatching(/^iluvatar\.local\/kept-by\//)]);
    // The worker ends without a word to the engine's memory of it; its next life has none.
    await two.engine.importImage({ ...named, reference: 'iluvatar.local/second:1' }, () => {});
    await two.engine.stop();
    expect(await tags(one)).toEqual([]);
  });

  it('takes away one that a container still had, when that is gone', async () => {
    const harness = await worker();
    const image = await harness.engine.importImage(await images.named('iluvatar.local/busy:1', 'busy'), () => {});
    const plan = await harness.run(image, ['sleep']);
    await harness.engine.releaseImage(image);
    expect(await tags(harness)).not.toEqual([]);
    await harness.remove(plan);
    expect(await tags(harness)).toEqual([]);
  });

  it('fails for an image that cannot be read, and leaves nothing of it', async () => {
    const harness = await worker();
    const named = await images.named('iluvatar.local/broken:1', 'broken');
    const [layer] = named.image.layers;
    if (layer === undefined) throw new Error('the image has no layer');
    const broken = (open: () => Readable): NamedImage => ({
      ...named,
      image: { ...named.image, layers: [{ ...layer, blob: { ...layer.blob, open } }] },
    });
    const unreadable = broken(
      () => new Readable({ read: (): void => {}, construct: (done) => done(new Error('the disk is gone')) }),
    );
    await expect(harness.engine.importImage(unreadable, () => {})).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringContaining('the disk is gone'),
    });
    // As long as it should be, and no tar: Docker says so in an answer that began well.
    const garbage = broken(() => Readable.from([Buffer.alloc(layer.blob.size, 7)]));
    await expect(harness.engine.importImage(garbage, () => {})).rejects.toMatchObject({ errorClass: 'internal' });
    expect(await tags(harness)).toEqual([]);
    // The next one that is whole is taken.
    const image = await harness.engine.importImage(named, () => {});
    await harness.engine.releaseImage(image);
  });
});
