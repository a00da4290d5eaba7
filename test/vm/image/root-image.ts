import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cachedBuild } from '../../support/build-cache.js';
import { command } from '../../support/command.js';

/**
 * The disk that every virtual machine boots from, and its kernel: the host's own Debian, smaller, with the Node that runs the tests. The same distribution, so that
 * an addon built here finds its C library there. Made by mmdebstrap with the host's package sources, whatever these are, and kept in a cache under a hash of everything that it is made of.
 */
export interface RootImage {
  /** A raw ext4 file system. Nobody writes to it: machines have copy-on-write layers above it. */
  readonly disk: string;
  readonly kernel: string;
}

/** `systemd-sysv` makes systemd pid 1; the agent is how the tests speak to it. The cloud kernel has ext4 and NVMe built in, so that it boots without an initrd. */
const PACKAGES = [
  'systemd-sysv',
  'udev',
  'dbus',
  'kmod',
  'linux-image-cloud-amd64',
  'qemu-guest-agent',
  'python3',
  'nftables',
  'iproute2',
  'libstdc++6',
];

/** What no test reads. */
const LEFT_OUT = ['/usr/share/man/*', '/usr/share/doc/*', '/usr/share/locale/*', '/usr/share/i18n/*'];

/** Work of a machine that lives for months; in one that lives for minutes it only takes the processor. */
const MASKED = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'getty@tty1.service',
  'serial-getty@ttyS0.service',
  'systemd-logind.service',
];

/** The package has a disk of its own, so that a new one needs no new image. */
const FSTAB = `/dev/nvme0n1 / ext4 defaults 0 1
/dev/nvme0n2 /usr/lib/iluvatar ext4 ro 0 0
`;

/** Address space of the disk; the file is sparse. */
const DISK_BYTES = 4 * 1024 ** 3;

/** Where package sources are listed: the host's, in both forms. */
const SOURCES = ['/etc/apt/sources.list', '/etc/apt/sources.list.d'];

/** The image for this host: out of the cache (`ILUVATAR_VM_CACHE`), or made now, which takes about a minute. */
export async function rootImage(): Promise<RootImage> {
  const folder = await cachedBuild({
    kind: 'vm',
    // This file has the lists above, and how they are used.
    files: [fileURLToPath(import.meta.url), ...sourceFiles(), process.execPath],
    facts: [],
    build,
  });
  return { disk: join(folder, 'root.img'), kernel: join(folder, 'vmlinuz') };
}

function sourceFiles(): string[] {
  return SOURCES.filter((path) => existsSync(path))
    .flatMap((path) => (statSync(path).isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [path]))
    .filter((path) => /\.(list|sources)$/.test(path))
    .sort();
}

async function build(folder: string): Promise<void> {
  const tree = join(folder, 'tree');
  const settings = join(folder, 'apt.conf');
  // How this host reaches its packages (a proxy, a mirror with old dates): mmdebstrap starts from apt's defaults otherwise.
  writeFileSync(settings, await command('apt-config', ['dump', '--no-empty', '--format', '%F "%v";%n', 'Acquire']));
  const suite = /^VERSION_CODENAME=(\S+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'stable';
  await command(
    'mmdebstrap',
    [
      '--mode=root',
      '--variant=minbase',
      '--format=directory',
      `--include=${PACKAGES.join(',')}`,
      `--aptopt=${settings}`,
      ...LEFT_OUT.map((path) => `--dpkgopt=path-exclude=${path}`),
      suite,
      tree,
      ...sourceFiles(),
    ],
    { INITRD: 'No' },
  );
  rmSync(join(tree, 'etc/apt'), { recursive: true });
  await addNode(tree);
  configure(tree);
  const kernel = readdirSync(join(tree, 'boot')).find((name) => name.startsWith('vmlinuz-'));
  if (kernel === undefined) throw new Error('the packages brought no kernel');
  copyFileSync(join(tree, 'boot', kernel), join(folder, 'vmlinuz'));
  const disk = join(folder, 'root.img');
  writeFileSync(disk, '');
  truncateSync(disk, DISK_BYTES);
  await command('mke2fs', ['-q', '-t', 'ext4', '-d', tree, disk]);
  rmSync(tree, { recursive: true });
  rmSync(settings);
}

/** The very Node of the tests, and those of its libraries that the packages above did not bring. */
async function addNode(tree: string): Promise<void> {
  copyFileSync(process.execPath, join(tree, 'usr/local/bin/node'));
  const libraries = (await command('ldd', [process.execPath])).matchAll(/=> (\/\S+)/g);
  for (const [, path = ''] of libraries) {
    const inside = join(tree, path);
    if (existsSync(inside)) continue;
    mkdirSync(dirname(inside), { recursive: true });
    copyFileSync(path, inside);
  }
}

function configure(tree: string): void {
  writeFileSync(join(tree, 'etc/hostname'), 'machine\n');
  // Empty: made anew at the first boot, as on a machine that was just installed.
  writeFileSync(join(tree, 'etc/machine-id'), '');
  writeFileSync(join(tree, 'etc/fstab'), FSTAB);
  mkdirSync(join(tree, 'usr/lib/iluvatar'));
  symlinkSync('/usr/lib/iluvatar/bin/iluvatar.js', join(tree, 'usr/local/bin/iluvatar'));
  // On the disk rather than in memory, so that what was said before a power cut can be read after it.
  mkdirSync(join(tree, 'var/log/journal'), { recursive: true });
  for (const unit of MASKED) symlinkSync('/dev/null', join(tree, 'etc/systemd/system', unit));
}
