import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeLayout } from '../../src/images/oci-layout.js';
import { parseReference } from '../../src/images/references.js';
import { pushImage } from '../../src/images/registry-push.js';
import { iluvatar } from '../cli/run.js';
import { root } from '../house/process.js';
import { describeWith } from '../support/requirement.js';
import { buildFrom, bytesOf, LocalRegistry, run, temporaryFolder, write } from './support.js';

/** Against a real registry, and read back by skopeo. */

const HELLO = join(root, 'functions/hello');

describeWith({ command: ['docker-registry', 'skopeo'] }, 'a registry', () => {
  const folder = temporaryFolder();
  let registry: LocalRegistry;
  beforeAll(async () => {
    registry = await LocalRegistry.start(folder.path);
  });
  afterAll(async () => {
    await registry?.stop();
    folder.remove();
  });

  const nobody = async (): Promise<null> => null;

  it('takes an image, has it the second time, and gives it as a base', async () => {
    const rootfs = await write(join(folder.path, 'rootfs'), { 'usr/bin/thing': 'x'.repeat(100_000) });
    const { image } = await buildFrom(HELLO, join(folder.path, 'one'), { base: rootfs });
    const target = parseReference(`${registry.host}/team/hello:1`);
    const lines: string[] = [];
    const pushed = await pushImage(image, target, (line) => lines.push(line), nobody);
    expect(pushed).toEqual({ digest: image.manifest.digest, sent: 4, mounted: 0, there: 0 });
    expect(lines.at(-1)).toBe(`pushed ${registry.host}/team/hello:1`);
    expect(await pushImage(image, target, () => undefined, nobody)).toMatchObject({ sent: 0, there: 4 });

    const inspect = ['inspect', '--tls-verify=false', `docker://${registry.host}/team/hello:1`];
    expect(JSON.parse((await run('skopeo', inspect)).stdout)).toMatchObject({
      Digest: image.manifest.digest,
      Labels: { 'dev.iluvatar.name': 'hello' },
    });

    for (const name of [`${registry.host}/team/hello:1`, `${registry.host}/team/hello@${image.manifest.digest}`]) {
      const upon = await buildFrom(HELLO, join(folder.path, 'upon', name.length.toString()), { base: name });
      expect(upon.image.layers.slice(0, 3).map(({ blob }) => blob.digest)).toEqual(
        image.layers.map(({ blob }) => blob.digest),
      );
      expect((await bytesOf((upon.image.layers[0] as (typeof upon.image.layers)[0]).blob.open())).length).toBe(
        image.layers[0]?.blob.size,
      );
      // To another repository of the same registry the base's layers need not travel.
      const elsewhere = parseReference(`${registry.host}/other/hello:${name.length}`);
      const second = await pushImage(upon.image, elsewhere, () => undefined, nobody);
      expect(second.mounted + second.there).toBeGreaterThanOrEqual(3);
      expect(second.sent).toBeLessThanOrEqual(1);
    }
  });

  it('takes layers of several parts', async () => {
    const rootfs = await write(join(folder.path, 'large'), { file: 'y'.repeat(20 * 1024 * 1024) });
    const { image } = await buildFrom(HELLO, join(folder.path, 'two'), { base: rootfs });
    const target = parseReference(`${registry.host}/large:1`);
    expect((await pushImage(image, target, () => undefined, nobody)).sent).toBe(4);
    const copy = join(folder.path, 'copy');
    await run('skopeo', [
      'copy',
      '--quiet',
      '--src-tls-verify=false',
      `docker://${registry.host}/large:1`,
      `oci:${copy}:1`,
    ]);
  });

  it('gives what another tool pushed, of Docker’s own media types', async () => {
    const { image } = await buildFrom(HELLO, join(folder.path, 'three'));
    await writeLayout(image, parseReference('x:1'), join(folder.path, 'layout'));
    const to = `docker://${registry.host}/by-skopeo:1`;
    await run('skopeo', [
      'copy',
      '--quiet',
      '--dest-tls-verify=false',
      '--format',
      'v2s2',
      `oci:${join(folder.path, 'layout')}:1`,
      to,
    ]);
    const upon = await buildFrom(HELLO, join(folder.path, 'four'), { base: `${registry.host}/by-skopeo:1` });
    expect(upon.image.layers.slice(0, 2).map(({ diffId }) => diffId)).toEqual(image.layers.map(({ diffId }) => diffId));
    expect(upon.image.layers.map(({ mediaType }) => mediaType)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^application\/vnd\.oci\.image\.layer\.v1\.tar/)]),
    );
    expect(upon.image.layers.every(({ mediaType }) => mediaType.startsWith('application/vnd.oci.'))).toBe(true);
  });

  it('says what it has not', async () => {
    const missing = buildFrom(HELLO, join(folder.path, 'five'), { base: `${registry.host}/nothing:1` });
    await expect(missing).rejects.toMatchObject({
      errorClass: 'not_found',
      message: expect.stringContaining(`there is no image ${registry.host}/nothing:1`),
    });
  });

  it('is pushed to from the command line, along with an archive', async () => {
    const archive = join(folder.path, 'hello.tar');
    const push = `${registry.host}/cli/hello:7`;
    const ran = await iluvatar(['build', HELLO, '--version', '7', '--output', archive, '--push', push, '--json']);
    expect(ran.code, ran.stderr).toBe(0);
    const report = JSON.parse(ran.stdout) as { digest: string; pushed: object };
    expect(report).toMatchObject({ name: 'hello', version: '7', runtime: 'python3', image: push, output: archive });
    expect(report.pushed).toEqual({ reference: push, sent: 3, mounted: 0, there: 0 });
    const { stdout } = await run('skopeo', ['inspect', '--tls-verify=false', `docker://${push}`]);
    expect(JSON.parse(stdout)).toMatchObject({ Digest: report.digest });
    expect(JSON.parse((await run('skopeo', ['inspect', `oci-archive:${archive}`])).stdout)).toMatchObject({
      Digest: report.digest,
    });
  });
});
