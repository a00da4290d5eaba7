import { cpSync, existsSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeArchive } from '../../src/images/docker-archive.js';
import { writeLayout } from '../../src/images/oci-layout.js';
import { parseReference } from '../../src/images/references.js';
import { root } from '../house/process.js';
import { describeWith } from '../support/requirement.js';
import { buildFrom, bytesOf, readJson, readTar, run, temporaryFolder, write } from './support.js';

const NAME = parseReference('localhost:5000/hello:1');
const HELLO = join(root, 'functions/hello');

let folder: ReturnType<typeof temporaryFolder>;
let work: string;
beforeEach(() => {
  folder = temporaryFolder();
  work = join(folder.path, 'work');
});
afterEach(() => folder.remove());

interface Document {
  schemaVersion: number;
  mediaType: string;
  config: { mediaType: string; digest: string; size: number };
  layers: { mediaType: string; digest: string; size: number }[];
  manifests: { mediaType: string; digest: string; size: number; annotations: Record<string, string> }[];
  annotations: Record<string, string>;
}

describe('an image from source', () => {
  it('has one digest for two copies of a folder, and another for another content', async () => {
    const digests: string[] = [];
    for (const copy of ['one', 'two', 'three']) {
      const source = join(folder.path, copy, 'fn');
      cpSync(HELLO, source, { recursive: true });
      utimesSync(join(source, 'main.py'), copy.length, copy.length);
      if (process.getuid?.() === 0 && copy === 'two') await run('chown', ['-R', '77:88', source]);
      if (copy === 'three') writeFileSync(join(source, 'more.py'), '');
      digests.push((await buildFrom(source, join(work, copy))).image.manifest.digest);
    }
    expect(digests[0]).toBe(digests[1]);
    expect(digests[2]).not.toBe(digests[0]);
  });

  it.each([false, true])('is a layout as image-spec 1.1 says (compressed: %s)', async (compress) => {
    const options = { compress, env: { GREETING: 'Hi' }, labels: { 'org.example.team': 'a' }, platform: 'linux/arm64' };
    const { image } = await buildFrom(HELLO, work, options);
    const out = join(folder.path, 'out');
    await writeLayout(image, NAME, out);
    expect(readdirSync(out).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
    expect(await readJson(join(out, 'oci-layout'))).toEqual({ imageLayoutVersion: '1.0.0' });
    const blob = (digest: string): string => join(out, 'blobs/sha256', digest.slice(7));
    const index = await readJson<Document>(join(out, 'index.json'));
    expect(index).toMatchObject({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json' });
    const [only] = index.manifests;
    expect(index.manifests.length).toBe(1);
    expect(only).toMatchObject({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: image.manifest.digest,
      platform: { os: 'linux', architecture: 'arm64' },
      annotations: { 'org.opencontainers.image.ref.name': '1', 'io.containerd.image.name': 'localhost:5000/hello:1' },
    });
    const manifest = await readJson<Document>(blob(image.manifest.digest));
    expect(manifest).toMatchObject({ schemaVersion: 2, mediaType: only?.mediaType });
    expect(manifest.config.mediaType).toBe('application/vnd.oci.image.config.v1+json');
    const type = `application/vnd.oci.image.layer.v1.tar${compress ? '+gzip' : ''}`;
    expect(manifest.layers.map(({ mediaType }) => mediaType)).toEqual([type, type]);
    const labels = {
      'dev.iluvatar.name': 'hello',
      'dev.iluvatar.version': '1',
      'dev.iluvatar.runtime': 'python3',
      'dev.iluvatar.entry': 'main:main',
    };
    expect(manifest.annotations).toMatchObject(labels);
    const config = await readJson<Record<string, unknown>>(blob(manifest.config.digest));
    expect(config).toMatchObject({
      created: '1970-01-01T00:00:00Z',
      os: 'linux',
      architecture: 'arm64',
      config: {
        User: '65534:65534',
        WorkingDir: '/function',
        Entrypoint: ['python3', '-B', '/iluvatar/agents/python/start.py'],
        Labels: { ...labels, 'org.example.team': 'a' },
        Env: expect.arrayContaining(['GREETING=Hi', 'ILUVATAR_AGENTS_SOCKET=/iluvatar/sockets/agents.sock']),
      },
      rootfs: { type: 'layers', diff_ids: image.layers.map(({ diffId }) => diffId) },
    });
    expect(config['history']).toHaveLength(2);
    // Every file is named by its digest, and every descriptor is true.
    const names = readdirSync(join(out, 'blobs/sha256'));
    const { stdout } = await run('sha256sum', names, { cwd: join(out, 'blobs/sha256') });
    for (const line of stdout.trim().split('\n')) expect(line).toMatch(/^([a-f0-9]{64}) {2}\1$/);
    for (const { digest, size } of [only, manifest.config, ...manifest.layers] as Document['layers']) {
      expect(readFileSync(blob(digest)).length).toBe(size);
    }
  });

  it('holds the agent, the place of the socket, the code, and what is told of it', async () => {
    const { image } = await buildFrom(HELLO, work);
    const [agent, code] = await Promise.all(image.layers.map(async ({ blob }) => readTar(blob.open())));
    const agentNames = (agent ?? []).map(({ header }) => header.name);
    expect(agentNames).toEqual(
      expect.arrayContaining([
        'iluvatar/agents/python/start.py',
        'iluvatar/agents/python/iluvatar_agent/serve.py',
        'iluvatar/sockets/',
      ]),
    );
    expect(agentNames.filter((name) => /zygote|__pycache__|node/.test(name))).toEqual([]);
    expect((code ?? []).map(({ header }) => header.name)).toEqual([
      'function/',
      'function/.wh..wh..opq',
      'function/main.py',
      'iluvatar/',
      'iluvatar/assign.json',
    ]);
    expect(JSON.parse((code ?? []).at(-1)?.content.toString() ?? '')).toEqual({
      function: 'hello@1',
      runtime: 'python3',
      code: '/function',
      layers: [],
      entry: 'main:main',
    });
  });

  it('is replaced where it was written before, and nothing else is', async () => {
    const { image } = await buildFrom(HELLO, work);
    const out = join(folder.path, 'out');
    await writeLayout(image, NAME, out);
    await writeLayout(image, NAME, out);
    await write(out, { 'precious.txt': 'x' });
    await expect(writeLayout(image, NAME, out)).rejects.toMatchObject({ errorClass: 'invalid' });
    expect(existsSync(join(out, 'precious.txt'))).toBe(true);
    expect(readdirSync(folder.path).sort()).toEqual(['out', 'work']);
  });

  it.each([
    ['a link out of the source', { 'main.py': '' }, '/etc/passwd', 'symbolic link out of the source'],
    ['a name with a meaning in layers', { 'main.py': '', '.wh.x': '' }, null, '.wh.'],
    ['no entry point', { 'notes.txt': '' }, null, 'no entry point found'],
  ])('refuses %s', async (_, files, link, why) => {
    const source = await write(join(folder.path, 'fn'), files as unknown as Record<string, string>);
    if (link !== null) symlinkSync(link, join(source, 'link'));
    await expect(buildFrom(source, work)).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringContaining(why),
    });
  });

  it.each([
    [{ name: 'a b' }, 'name "a b"'],
    [{ runtime: 'cobol' }, 'no runtime "cobol"'],
    [{ platform: 'windows/amd64' }, 'is no platform'],
    [{ base: './nowhere' }, 'is no file and no folder'],
    [{ base: 'a//b' }, 'is no image reference'],
  ])('refuses %j', async (options, why) => {
    await expect(buildFrom(HELLO, work, options)).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringContaining(why),
    });
  });
});

describe('dependencies', () => {
  it('are a layer of their own, which Node finds from the code, and the same each time', async () => {
    const source = await write(join(folder.path, 'fn'), {
      'index.mjs': "import { one } from 'dep';\nexport const handler = () => one;\n",
      'package.json': '{"dependencies": {"dep": "file:./dep"}}',
      'dep/package.json': '{"name": "dep", "version": "1.0.0", "type": "module", "main": "index.js"}',
      'dep/index.js': 'export const one = 1;\n',
    });
    const [first, second] = [await buildFrom(source, join(work, '1')), await buildFrom(source, join(work, '2'))];
    expect(first.image.manifest.digest).toBe(second.image.manifest.digest);
    expect(first.image.layers.length).toBe(3);
    const entries = await readTar((first.image.layers[1] as (typeof first.image.layers)[0]).blob.open());
    const links = entries.filter(({ header }) => header.type === 'symlink');
    expect(links.map(({ header }) => header.name)).toEqual(expect.arrayContaining(['layers/0', 'node_modules']));
    const names = entries.map(({ header }) => header.name);
    expect(names).toContainEqual(expect.stringMatching(/^layers\/[0-9a-f]{64}\/(node_modules\/)?dep\/index\.js$/));
    const without = await buildFrom(source, join(work, '3'), { dependencies: false });
    expect(without.image.layers.length).toBe(2);
  });

  it('with machine code are refused for another machine', async () => {
    const source = await write(join(folder.path, 'fn'), {
      'index.mjs': 'export const handler = () => 1;\n',
      'package.json': '{"dependencies": {"dep": "file:./dep"}}',
      'dep/package.json': '{"name": "dep", "version": "1.0.0"}',
      'dep/addon.node': 'machine code',
    });
    const platform = process.arch === 'arm64' ? 'linux/amd64' : 'linux/arm64';
    await expect(buildFrom(source, work, { platform })).rejects.toThrow('hold machine code of this machine');
  });
});

describeWith({ command: ['skopeo', 'umoci'] }, 'readers that are not ours', () => {
  it('take the layout and the archive, as OCI and as Docker', async () => {
    const { image } = await buildFrom(HELLO, work);
    const layout = join(folder.path, 'layout');
    const archive = join(folder.path, 'hello.tar');
    await writeLayout(image, NAME, layout);
    await writeArchive(image, NAME, archive);
    const inspected = async (what: string): Promise<Record<string, unknown>> =>
      JSON.parse((await run('skopeo', ['inspect', '--override-arch', 'amd64', what])).stdout);
    expect(await inspected(`oci:${layout}:1`)).toMatchObject({ Digest: image.manifest.digest, Architecture: 'amd64' });
    expect(await inspected(`oci-archive:${archive}`)).toMatchObject({ Digest: image.manifest.digest });
    expect(await inspected(`docker-archive:${archive}:localhost:5000/hello:1`)).toMatchObject({
      Labels: { 'dev.iluvatar.entry': 'main:main' },
      Layers: image.layers.map(({ diffId }) => diffId),
    });
    const bundle = join(folder.path, 'bundle');
    const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
    await run('umoci', ['unpack', ...rootless, '--image', `${layout}:1`, bundle]);
    expect(readFileSync(join(bundle, 'rootfs/function/main.py'))).toEqual(readFileSync(join(HELLO, 'main.py')));
    expect(existsSync(join(bundle, 'rootfs/function/.wh..wh..opq'))).toBe(false);
  });

  it('agree with us on what an archive is: skopeo makes bases of every form, and each builds the same', async () => {
    const rootfs = await write(join(folder.path, 'rootfs'), {
      'usr/lib/os-release': 'ID=tiny\n',
      'function/old.py': 'x',
    });
    const first = await buildFrom(HELLO, join(work, 'rootfs'), { base: rootfs });
    expect(first.image.layers.length).toBe(3);
    const layout = join(folder.path, 'base');
    await writeLayout(first.image, NAME, layout);
    await mkdir(join(folder.path, 'copies'));
    const copies = { oci: 'oci', 'oci-archive': 'oci.tar', 'docker-archive': 'docker.tar' };
    const digests = new Set<string>();
    for (const [kind, name] of Object.entries(copies)) {
      const to = join(folder.path, 'copies', name);
      const tag = kind === 'docker-archive' ? ':base:1' : ':1';
      await run('skopeo', ['copy', '--quiet', `oci:${layout}:1`, `${kind}:${to}${tag}`]);
      const { image } = await buildFrom(HELLO, join(work, kind), { base: to });
      expect(image.layers.map(({ diffId }) => diffId)).toEqual([
        ...first.image.layers.map(({ diffId }) => diffId),
        ...first.image.layers.slice(1).map(({ diffId }) => diffId),
      ]);
      for (const { blob } of image.layers) expect((await bytesOf(blob.open())).length).toBe(blob.size);
      if (kind !== 'docker-archive') digests.add(image.layers.map(({ blob }) => blob.digest).join());
    }
    expect(digests.size).toBe(1);
    // A compressed archive is an archive.
    await run('gzip', [join(folder.path, 'copies/docker.tar')]);
    const zipped = await buildFrom(HELLO, join(work, 'zipped'), { base: join(folder.path, 'copies/docker.tar.gz') });
    expect(zipped.image.layers.length).toBe(5);
  });
});

describe('bases', () => {
  it('of several platforms give the one that is asked for', async () => {
    const layouts = [];
    for (const platform of ['linux/amd64', 'linux/arm64']) {
      const { image } = await buildFrom(HELLO, join(work, platform), { platform });
      const out = join(folder.path, platform);
      await writeLayout(image, NAME, out);
      layouts.push(out);
    }
    const [amd, arm] = layouts as [string, string];
    const index = await readJson<Document>(join(amd, 'index.json'));
    index.manifests.push(...(await readJson<Document>(join(arm, 'index.json'))).manifests);
    cpSync(join(arm, 'blobs'), join(amd, 'blobs'), { recursive: true });
    writeFileSync(join(amd, 'index.json'), JSON.stringify(index));
    for (const platform of ['linux/amd64', 'linux/arm64', 'linux/arm64/v8']) {
      const built = await buildFrom(HELLO, join(work, 'on', platform), { platform, base: amd });
      expect(built.platform).toBe(platform.replace('/v8', ''));
    }
    await expect(buildFrom(HELLO, join(work, 'x'), { platform: 'linux/s390x', base: amd })).rejects.toThrow(
      'has no image for linux/s390x; it has linux/amd64, linux/arm64',
    );
  });

  it('that are damaged are refused, saying where', async () => {
    const rootfs = await write(join(folder.path, 'rootfs'), { file: 'x'.repeat(1000) });
    const { image } = await buildFrom(HELLO, join(work, 'base'), { base: rootfs });
    const base = join(folder.path, 'base');
    const layer = image.layers[0]?.blob.digest.slice(7) as string;
    const build = async (): Promise<void> => {
      const built = await buildFrom(HELLO, join(work, 'again'), { base });
      await writeLayout(built.image, NAME, join(folder.path, 'out'));
    };
    await writeLayout(image, NAME, base);
    const whole = readFileSync(join(base, 'blobs/sha256', layer));
    writeFileSync(join(base, 'blobs/sha256', layer), whole.subarray(0, -1));
    await expect(build()).rejects.toThrow('cut short');
    writeFileSync(join(base, 'blobs/sha256', layer), whole.fill(1, 600, 601));
    await expect(build()).rejects.toThrow('has the digest');
    await write(base, { 'index.json': '{"schemaVersion": 2, "manifests": [{"digest": "sha256:x", "size": 1}]}' });
    await expect(build()).rejects.toThrow('index.json of');
    await write(base, { 'index.json': 'no json' });
    await expect(build()).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringContaining('not JSON'),
    });
    expect(existsSync(join(folder.path, 'out'))).toBe(false);
    writeFileSync(join(folder.path, 'no.tar'), Buffer.alloc(2000, 7));
    await expect(buildFrom(HELLO, join(work, 'tar'), { base: join(folder.path, 'no.tar') })).rejects.toThrow(
      'is no image archive',
    );
  });
});
