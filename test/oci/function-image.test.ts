import { cpSync, existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { imageReference, planFoundImage, prepareFunctionImage } from '../../src/backends/oci/function-image.js';
import { findNode, findPython } from '../../src/backends/process/interpreter.js';
import { writeArchive } from '../../src/images/docker-archive.js';
import { parseConfig } from '../../src/images/documents.js';
import { blobsOf } from '../../src/images/image.js';
import { textFile } from '../../src/images/layer.js';
import { writeLayout } from '../../src/images/oci-layout.js';
import { parseReference } from '../../src/images/references.js';
import { pushImage } from '../../src/images/registry-push.js';
import { root } from '../house/process.js';
import { bytesOf, LocalRegistry, run, temporaryFolder, write } from '../images/support.js';
import { describeWith } from '../support/requirement.js';
import { contentOf, definition, imageOf, type ProcessConfig, prepare, type Registrar, registrar } from './support.js';

const HELLO = join(root, 'functions/hello');
const AGENT = 'dev.iluvatar.runtime';

let folder: ReturnType<typeof temporaryFolder>;
let context: Registrar;
beforeEach(async () => {
  folder = temporaryFolder();
  context = await registrar(folder.path);
});
afterEach(async () => {
  await context.close();
  folder.remove();
});

const stored = (): string[] => readdirSync(join(folder.path, 'images/blobs/sha256'));

describe('a function from source', () => {
  it('has one image for equal content, whatever it is called on the host, and shares its blobs', async () => {
    for (const copy of ['one', 'two']) cpSync(HELLO, join(folder.path, copy), { recursive: true });
    const one = await prepare(context, { source: join(folder.path, 'one') });
    const blobs = stored();
    const two = await prepare(context, { source: join(folder.path, 'two'), labels: { team: 'a' } });
    expect(two.named.image.manifest.digest).toBe(one.named.image.manifest.digest);
    expect(two.digest).toBe(one.digest);
    expect(stored()).toEqual(blobs);
    const hash = one.named.image.manifest.digest.slice(7, 19);
    expect(one.named.reference).toBe(`iluvatar.local/hello:1-${hash}`);
    expect(parseReference(one.named.reference).registry).toBe('iluvatar.local');
    const three = await prepare(context, { source: join(folder.path, 'two'), memoryMb: 64 });
    expect(three.named.image.manifest.digest).toBe(one.named.image.manifest.digest);
    expect(three.digest).not.toBe(one.digest);
    writeFileSync(join(folder.path, 'two/more.py'), '');
    const four = await prepare(context, { source: join(folder.path, 'two') });
    expect(four.named.image.manifest.digest).not.toBe(one.named.image.manifest.digest);
  });

  it('is made on a thread of the life-cycle pool', async () => {
    const threaded = await registrar(folder.path, { threads: true });
    try {
      const there = await prepare(threaded, { source: HELLO });
      const here = await prepare(context, { source: HELLO });
      expect(there.named.image.manifest.digest).toBe(here.named.image.manifest.digest);
      expect((await contentOf(there.named.image)).has('function/main.py')).toBe(true);
    } finally {
      await threaded.close();
    }
  });

  it.each(['Hello.World', 'a__b--c', 'UPPER', 'x-.'])('called %s has a name that engines take', async (name) => {
    const plan = await prepare(context, { source: HELLO, name, version: 'V'.repeat(128) });
    expect(() => parseReference(plan.named.reference)).not.toThrow();
  });

  it('runs on this machine’s system, of which nothing but the named folders is seen', async () => {
    const { interpreter } = await findPython('');
    const plan = await prepare(context, { source: HELLO });
    const content = await contentOf(plan.named.image);
    expect(plan).toMatchObject({
      key: 'hello@1',
      runtime: 'python3',
      entry: 'main:main',
      readOnlyRoot: true,
      tmpMb: 64,
      assign: { concurrency: 1, outputBytes: 65_536, maxBody: context.config.transport.maxBodyBytes },
      process: { cwd: '/function', user: { uid: 65_534, gid: 65_534, groups: [] } },
    });
    expect(plan.process.argv).toEqual([interpreter?.executable, '-B', '/iluvatar/agents/python/start.py']);
    expect(plan.process.env).toMatchObject({
      ILUVATAR_AGENTS_SOCKET: '/iluvatar/sockets/agents.sock',
      ILUVATAR_FUNCTION: 'hello@1',
    });
    for (const path of ['usr', 'proc', 'sys', 'dev', 'tmp', 'layers', 'iluvatar/sockets', 'function/main.py']) {
      expect(content.has(path), path).toBe(true);
    }
    expect(content.get('tmp')?.mode).toBe(0o1777);
    expect(content.get('etc/passwd')?.text).not.toContain('daemon');
    expect(content.get('etc/resolv.conf')?.text).toBe('');
    for (const name of ['bin', 'lib', 'lib64'].filter((one) => existsSync(`/${one}`))) {
      const link = lstatSync(`/${name}`).isSymbolicLink();
      expect(content.get(name)?.type).toBe(link ? 'symlink' : 'directory');
      expect(plan.binds.some(({ target }) => target === `/${name}`)).toBe(!link);
    }
    const allowed = [
      '/usr',
      '/bin',
      '/sbin',
      '/lib',
      '/lib64',
      '/lib32',
      '/libx32',
      '/etc/alternatives',
      '/etc/ssl/certs',
    ];
    const others = ['/etc/pki', '/etc/ca-certificates', ...(interpreter?.paths ?? [])];
    for (const { source, target } of plan.binds) {
      expect([...allowed, ...others]).toContain(source);
      expect(target).toBe(source);
      expect(content.has(target.slice(1)), target).toBe(true);
    }
    const assign = JSON.parse(content.get('iluvatar/assign.json')?.text ?? '') as object;
    expect(assign).toEqual({
      function: 'hello@1',
      runtime: 'python3',
      code: '/function',
      layers: [],
      entry: 'main:main',
    });
  });

  it('sees the folders that the worker adds, and on the host’s network its resolver', async () => {
    await write(folder.path, { 'data/model.bin': 'x', 'one.txt': 'y' });
    const readOnlyPaths = [join(folder.path, 'data'), join(folder.path, 'one.txt'), '/usr/share', '/not/there'];
    const wider = await registrar(folder.path, { config: { sandbox: { readOnlyPaths } } });
    const plan = await prepare(wider, { source: HELLO, network: 'host' });
    const targets = plan.binds.map(({ target }) => target);
    expect(targets).toEqual(expect.arrayContaining([...readOnlyPaths.slice(0, 2), '/etc/resolv.conf', '/etc/hosts']));
    expect(targets).not.toContain('/usr/share');
    expect(targets).not.toContain('/not/there');
    const content = await contentOf(plan.named.image);
    expect(content.get(join(folder.path, 'one.txt').slice(1))?.type).toBe('file');
  });

  it('in Node is started by its agent, as a program by itself', async () => {
    await write(folder.path, { 'js/index.js': 'exports.handler = () => 1;', 'prog/run': '#!/bin/sh\n' });
    const { interpreter } = await findNode();
    const node = await prepare(context, { source: join(folder.path, 'js') });
    expect(node.process.argv).toEqual([interpreter?.executable, '/iluvatar/agents/node/start.mjs']);
    await run('chmod', ['+x', join(folder.path, 'prog/run')]);
    const program = await prepare(context, { source: join(folder.path, 'prog'), runtime: 'binary', entry: 'run' });
    expect(program.process.argv).toEqual(['/function/run']);
    expect((await contentOf(program.named.image)).has('iluvatar/assign.json')).toBe(false);
  });

  it('with an old agent is started with its own file', async () => {
    await write(folder.path, { 'fn/server.py': 'print(1)' });
    const { interpreter } = await findPython('');
    const input = { source: join(folder.path, 'fn'), entry: 'server:main', server: 'legacy-socket' as const };
    const plan = await prepare(context, input);
    expect(plan.process.argv).toEqual([interpreter?.executable, '-B', '-u', '/function/server.py']);
    expect(plan.assign).toEqual({});
    expect(plan.process.env).not.toHaveProperty('ILUVATAR_AGENTS_SOCKET');
    const content = await contentOf(plan.named.image);
    expect([...content.keys()].filter((path) => path.startsWith('iluvatar/agents'))).toEqual([]);
    expect(content.has('iluvatar/sockets')).toBe(true);
  });
});

describe('the bases of source', () => {
  it.each(['root file system', 'layout', 'archive'])('may be a %s', async (kind) => {
    const base = join(folder.path, kind === 'archive' ? 'base.tar' : 'base');
    const image = await imageOf({ Env: ['COLOUR=red'] }, [[textFile('etc/os-release', 'ID=test\n')]]);
    const name = parseReference('base:1');
    if (kind === 'root file system') await write(base, { 'etc/os-release': 'ID=test\n' });
    else await (kind === 'layout' ? writeLayout : writeArchive)(image, name, base);
    const plan = await prepare(context, { source: HELLO, base });
    expect(plan.process.argv[0]).toBe('python3');
    expect(plan.binds).toEqual([]);
    expect((await contentOf(plan.named.image)).get('etc/os-release')?.text).toBe('ID=test\n');
    if (kind !== 'root file system') expect(plan.process.env['COLOUR']).toBe('red');
    expect((await prepare(context, { source: HELLO, base })).digest).toBe(plan.digest);
  });

  it('that are not there are refused', async () => {
    for (const base of ['/not/there', 'not a reference', './relative']) {
      await expect(prepare(context, { source: HELLO, base }), base).rejects.toMatchObject({ errorClass: 'invalid' });
    }
  });
});

describeWith({ command: 'docker-registry' }, 'a registry', () => {
  it('gives bases and images, and layers only to engines that ask for them', async () => {
    const registry = await LocalRegistry.start(folder.path);
    try {
      const image = await imageOf(
        { Entrypoint: ['/serve'], Labels: { [AGENT]: 'binary' } },
        [[textFile('a', 'b')]],
        true,
      );
      const reference = `${registry.host}/base:1`;
      await pushImage(image, parseReference(reference), () => undefined);
      const layer = image.layers[0]?.blob.digest.slice(7) ?? '';

      const whole = await prepare(context, { image: reference });
      expect(whole.named.reference).toBe(reference);
      expect(whole.named.image.manifest.digest).toBe(image.manifest.digest);
      expect(existsSync(join(folder.path, 'images/blobs'))).toBe(false);

      const built = await prepare(context, { source: HELLO, base: reference });
      expect(stored()).not.toContain(layer);
      expect((await contentOf(built.named.image)).get('a')?.text).toBe('b');
      expect(stored()).toContain(layer);
      await expect(prepare(context, { image: `${registry.host}/none:1` })).rejects.toMatchObject({
        errorClass: 'not_found',
      });
    } finally {
      await registry.stop();
    }
    await expect(prepare(context, { image: `${registry.host}/base:1` })).rejects.toMatchObject({
      errorClass: 'unavailable',
    });
  });
});

describe('an image', () => {
  const layers = [[textFile('etc/passwd', 'app:x:5:6::/:\n'), textFile('serve', '')]];
  const archive = async (config: ProcessConfig, gzip = false): Promise<{ path: string; digest: string }> => {
    const image = await imageOf(config, layers, gzip);
    const path = join(folder.path, 'image.tar');
    await writeArchive(image, parseReference('some:1'), path);
    return { path, digest: image.manifest.digest };
  };

  it.each([false, true])('is passed on unchanged (gzip: %s), and run as its configuration says', async (gzip) => {
    const config = {
      Entrypoint: ['/serve'],
      Cmd: ['--fast'],
      Env: ['COLOUR=red', 'PATH=/bin'],
      User: 'app',
      WorkingDir: '/srv',
      Volumes: { '/data': {} },
      ExposedPorts: { '8080/tcp': {} },
      Labels: { [AGENT]: 'binary' },
    };
    const { path, digest } = await archive(config, gzip);
    const plan = await prepare(context, { image: path, memoryMb: 100, tmpMb: 7 });
    expect(plan.named.image.manifest.digest).toBe(digest);
    expect(plan.named.reference).toBe(`iluvatar.local/hello:1-${digest.slice(7, 19)}`);
    expect(plan.process).toEqual({
      argv: ['/serve', '--fast'],
      env: { PATH: '/bin', COLOUR: 'red' },
      cwd: '/srv',
      user: { uid: 5, gid: 6, groups: [] },
    });
    expect(plan).toMatchObject({ binds: [], readOnlyRoot: false, tmpMb: 7, runtime: 'binary' });
    for (const blob of blobsOf(plan.named.image)) {
      let bytes = 0;
      for await (const chunk of blob.open()) bytes += (chunk as Buffer).length;
      expect(bytes).toBe(blob.size);
    }
    const other = await prepare(context, { image: path, command: ['/other'], readOnlyRoot: true });
    expect(other.process.argv).toEqual(['/other']);
    expect(other.readOnlyRoot).toBe(true);
    expect(other.digest).not.toBe(plan.digest);
  });

  it('may be a root file system, started with a command', async () => {
    await write(folder.path, { 'rootfs/serve': '' });
    const input = { image: join(folder.path, 'rootfs'), server: 'legacy-socket' as const };
    await expect(prepare(context, input)).rejects.toThrow(/neither an entry point nor a command/);
    const plan = await prepare(context, { ...input, command: ['/serve'] });
    expect(plan.process).toMatchObject({ argv: ['/serve'], cwd: '/', user: { uid: 0, gid: 0, groups: [] } });
    expect(plan.runtime).toBe('image');
  });

  it('without an agent is refused unless something else speaks', async () => {
    const { path } = await archive({ Entrypoint: ['gunicorn', 'server:app'] });
    await expect(prepare(context, { image: path })).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringMatching(/"http" or "legacy-socket"/) as string,
    });
    expect((await prepare(context, { image: path, runtime: 'binary' })).runtime).toBe('binary');
    const old = await prepare(context, { image: path, server: 'http', network: 'bridge' });
    expect(old).toMatchObject({ assign: {}, entry: 'gunicorn server:app' });
    await expect(prepare(context, { image: path, server: 'http' })).rejects.toThrow(/needs network/);
  });

  it('that names a user whom nobody knows is refused', async () => {
    const { path } = await archive({ Entrypoint: ['/serve'], User: 'ghost', Labels: { [AGENT]: 'binary' } });
    await expect(prepare(context, { image: path })).rejects.toThrow(/"ghost"/);
  });

  it('that an engine has is not read again', async () => {
    const image = await imageOf({ Entrypoint: ['/serve'], User: 'app', Labels: { [AGENT]: 'binary' } }, layers);
    const config = parseConfig(await bytesOf(image.config.open()), 'the configuration');
    const found = { config, digest: image.manifest.digest };
    const readable = image.layers.map(({ blob, mediaType }) => ({ mediaType, open: () => blob.open() }));
    const fn = definition({ image: 'some/image:1' });
    expect(imageReference(fn)).toBe('docker.io/some/image:1');
    expect((await planFoundImage(context, fn, { ...found, layers: readable })).process.user.uid).toBe(5);
    await expect(planFoundImage(context, fn, { ...found, layers: null })).rejects.toThrow(/"app"/);
  });
});

describe('the store', () => {
  it('keeps what this process registered and removes the rest at its start', async () => {
    const plan = await prepareFunctionImage(context, definition({ source: HELLO }), () => undefined);
    const uses = join(folder.path, 'images/uses');
    expect(await context.store.sweep()).toEqual([]);
    expect(readdirSync(uses)).toHaveLength(1);
    const [name = ''] = readdirSync(uses);
    const use = JSON.parse(readFileSync(join(uses, name), 'utf8')) as { process: string };
    writeFileSync(join(uses, name), JSON.stringify({ ...use, process: `${process.pid}-1` }));
    expect((await context.store.sweep()).length).toBe(plan.named.image.layers.length);
    expect(stored()).toEqual([]);
    expect(readdirSync(uses)).toEqual([]);
    await context.store.release(plan);
    const again = await prepare(context, { source: HELLO });
    await context.store.release(again);
    expect((await context.store.sweep()).length).toBe(again.named.image.layers.length);
  });
});
