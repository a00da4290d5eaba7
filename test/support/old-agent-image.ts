import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readBase } from '../../src/images/base.js';
import { BlobFolder } from '../../src/images/blobs.js';
import { MEDIA } from '../../src/images/documents.js';
import { assembleImage } from '../../src/images/image.js';
import { emptyConfig, withLayer } from '../../src/images/image-config.js';
import { layerTar } from '../../src/images/layer.js';
import { writeLayout } from '../../src/images/oci-layout.js';
import { hostPlatform } from '../../src/images/platform.js';
import { parseReference } from '../../src/images/references.js';
import { treeEntries } from '../../src/images/tree.js';

/**
 * Images as the original's users have them: Debian's Python with flask and gunicorn, an agent in /app, and gunicorn as the entry point. Made of the packages
 * of this machine, once for each run of tests.
 */
export interface OldAgentImages {
  /** OCI layouts: `image` of a function. */
  readonly http: string;
  readonly socket: string;
}

const AGENTS = fileURLToPath(new URL('./old-agents', import.meta.url));

/** What gunicorn and flask need to run, and no more. Also scripts/system-packages.mjs. */
const PACKAGES = [
  ...['libc6', 'zlib1g', 'libexpat1', 'libssl3', 'libffi8', 'libbz2-1.0', 'liblzma5', 'libuuid1', 'libcrypt1', 'dash'],
  ...[
    'python3',
    'python3-minimal',
    'python3.11',
    'python3.11-minimal',
    'libpython3.11-minimal',
    'libpython3.11-stdlib',
  ],
  ...['gunicorn', 'python3-gunicorn', 'python3-flask', 'python3-werkzeug', 'python3-jinja2', 'python3-markupsafe'],
  ...['python3-click', 'python3-colorama', 'python3-itsdangerous', 'python3-pkg-resources', 'python3-distutils'],
];
const LEFT_OUT =
  /^\/usr\/(share\/(doc|man|lintian|locale|info|bug)|lib\/python3[^/]*\/(test|idlelib|lib2to3|ensurepip|turtledemo))\//;
/** Of a merged /usr. */
const LINKS = ['bin', 'sbin', 'lib', 'lib64'];
const MOUNT_POINTS = ['proc', 'sys', 'dev', 'tmp', 'etc', 'iluvatar/sockets'];
const WAIT_MS = 100;
const ENVIRONMENT = ['PATH=/usr/local/bin:/usr/bin:/bin', 'LANG=C.UTF-8', 'PYTHONDONTWRITEBYTECODE=1'];

/** What a suite that uses them needs of the machine. */
export const OLD_AGENT_REQUIREMENTS = {
  command: 'gunicorn',
  file: ['/usr/bin/python3', '/usr/lib/python3/dist-packages/flask', '/var/lib/dpkg/status'],
} as const;

/** They lie in the run's state folder; the first who asks makes them, the others wait. */
export async function oldAgentImages(): Promise<OldAgentImages> {
  const state = process.env['ILUVATAR_TEST_STATE'];
  if (state === undefined) throw new Error('there is no run of tests (ILUVATAR_TEST_STATE)');
  const folder = join(state, 'old-agents');
  const images = { http: join(folder, 'http'), socket: join(folder, 'socket') };
  const lock = join(state, 'old-agents.lock');
  while (!existsSync(folder)) {
    try {
      mkdirSync(lock);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
      continue;
    }
    try {
      if (existsSync(folder)) break;
      const work = mkdtempSync(join(tmpdir(), 'vitest-old-agents-'));
      try {
        await makeImages(work);
        const partial = `${folder}.${randomBytes(4).toString('hex')}`;
        execFileSync('cp', ['-r', join(work, 'images'), partial]);
        renameSync(partial, folder);
      } finally {
        rmSync(work, { recursive: true, force: true });
      }
    } finally {
      rmSync(lock, { recursive: true, force: true });
    }
  }
  return images;
}

async function makeImages(work: string): Promise<void> {
  const root = join(work, 'root');
  makeRoot(root);
  const blobs = new BlobFolder(join(work, 'store'));
  const base = await readBase(root, { platform: hostPlatform(), blobs, temporary: work, compress: false });
  for (const kind of ['http', 'socket'] as const) {
    const app = join(work, kind);
    mkdirSync(app);
    for (const file of ['main.py', 'reply.py', 'gunicorn.conf.py']) copyFileSync(join(AGENTS, file), join(app, file));
    copyFileSync(join(AGENTS, `${kind}-server.py`), join(app, 'server.py'));
    const stored = await blobs.putLayer(layerTar(await treeEntries(app, { prefix: 'app', kind: 'source' })), false);
    const layer = { blob: await blobs.get(stored.digest), mediaType: MEDIA.layer, diffId: stored.diffId, from: null };
    const config = withLayer(base.config, stored.diffId, 'app');
    const whole = {
      ...config,
      config: { Env: ENVIRONMENT, Entrypoint: ['gunicorn', 'server:app'], WorkingDir: '/app', User: 'root' },
    };
    const image = assembleImage({ ...emptyConfig(hostPlatform()), ...whole }, [...base.layers, layer], {});
    await writeLayout(image, parseReference(`hello-iluvatar-action-${kind}:latest`), join(work, 'images', kind));
  }
}

/** A root file system of the packages' files. */
function makeRoot(root: string): void {
  for (const name of ['usr', ...MOUNT_POINTS]) mkdirSync(join(root, name), { recursive: true });
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  for (const name of LINKS) {
    if (!existsSync(`/${name}`)) continue;
    mkdirSync(join(root, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, join(root, name));
  }
  for (const path of listed()) {
    const target = join(root, path);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined || stats.isDirectory() || existsSync(target)) continue;
    mkdirSync(dirname(target), { recursive: true });
    if (stats.isSymbolicLink()) symlinkSync(readlinkSync(path), target);
    else copyFileSync(path, target);
  }
  // By content and not by time, which layers do not keep: without it each container would compile what it imports.
  const compile = ['-m', 'compileall', '-q', '-j', '2', '--invalidation-mode', 'unchecked-hash', '-s', root, '-p', '/'];
  execFileSync('/usr/bin/python3', [...compile, join(root, 'usr/lib')], { stdio: 'ignore' });
}

/** As on a merged /usr, where packages still say /lib. */
function listed(): string[] {
  const lines = execFileSync('dpkg', ['-L', ...PACKAGES], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }).split(
    '\n',
  );
  const paths = lines
    .filter((line) => line.startsWith('/') && line !== '/.')
    .map((line) => line.replace(/^\/(bin|sbin|lib|lib64)\//, '/usr/$1/'))
    .filter((path) => path.startsWith('/usr/') && !LEFT_OUT.test(path));
  return [...new Set(paths)].sort();
}
