import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { run, which } from './run.mjs';
import { SetupError } from './setup-error.mjs';

/**
 * What has to come from the operating system. As root on Debian and Ubuntu it is installed, otherwise it is said what to install: nothing else of the
 * machine is changed.
 */

/** Debian's own, which only Debian's Python sees. */
const FLASK = '/usr/lib/python3/dist-packages/flask';

const GRAPHITE_WEB = '/usr/lib/python3/dist-packages/graphite';

const CONTAINERD = {
  package: 'containerd',
  use: 'containers of containerd',
  there: () => which('containerd') !== null,
};
const DOCKER = { package: 'docker.io', use: 'containers of Docker', there: () => which('dockerd') !== null };
const RUNC = {
  package: 'runc',
  use: 'what containerd and Docker start containers with',
  there: () => which('runc') !== null,
};

/** The second is only recommended by the first. */
const CROSS = [
  { package: 'g++-aarch64-linux-gnu', use: 'builds for arm64', there: () => which('aarch64-linux-gnu-g++') !== null },
  {
    package: 'libc6-dev-arm64-cross',
    use: 'builds for arm64',
    there: () => existsSync('/usr/aarch64-linux-gnu/include/stdio.h'),
  },
];

/**
 * By purpose; a backend that needs any has its name. Not here: Go 1.23 and Rust 1.85 for clients of others (test/grpc), since Debian's are older. They are looked for on PATH, in /usr/local/go and in
 * ~/.cargo; without them their suites are skipped, with the reason.
 */
const PACKAGES = {
  containerd: [CONTAINERD],
  docker: [DOCKER, CONTAINERD, RUNC],
  addon: [
    { package: 'g++', use: 'builds the addon', there: () => compilerWorks() },
    { package: 'make', use: 'builds the addon', there: () => which('make') !== null },
    { package: 'python3', use: 'node-gyp and Python functions', there: () => which('python3') !== null },
  ],
  tests: [
    { package: 'python3-pip', use: 'dependencies of Python functions', there: () => pythonHas('pip') },
    { package: 'wrk', use: 'HTTP load', there: () => which('wrk') !== null },
    { package: 'skopeo', use: 'reads images', there: () => which('skopeo') !== null },
    { package: 'umoci', use: 'unpacks images', there: () => which('umoci') !== null },
    { package: 'docker-registry', use: 'a registry to push to', there: () => which('docker-registry') !== null },
    CONTAINERD,
    { package: 'python3-flask', use: 'images with old agents', there: () => existsSync(FLASK) },
    { package: 'gunicorn', use: 'images with old agents', there: () => which('gunicorn') !== null },
    { package: 'nftables', use: 'NAT for containers', there: () => which('nft') !== null },
    { package: 'iproute2', use: 'networks of tests', there: () => which('ip') !== null },
    DOCKER,
    RUNC,
    { package: 'qemu-system-x86', use: 'a virtual machine', there: () => which('qemu-system-x86_64') !== null },
    { package: 'qemu-utils', use: 'disks of a virtual machine', there: () => which('qemu-img') !== null },
    { package: 'mmdebstrap', use: 'a Debian for a virtual machine', there: () => which('mmdebstrap') !== null },
    { package: 'e2fsprogs', use: 'file systems of a virtual machine', there: () => which('mke2fs') !== null },
    { package: 'systemd', use: 'reads unit files, hands sockets over', there: () => which('systemd-analyze') !== null },
    { package: 'prometheus', use: 'reads metrics, checks rules', there: () => which('prometheus') !== null },
    { package: 'graphite-carbon', use: 'takes metrics', there: () => existsSync('/usr/bin/carbon-cache') },
    { package: 'graphite-web', use: 'gives metrics back', there: () => existsSync(GRAPHITE_WEB) },
    { package: 'influxdb', use: 'takes metrics and gives them back', there: () => which('influxd') !== null },
    { package: 'util-linux', use: 'setpriv: tests as an ordinary user', there: () => which('setpriv') !== null },
    ...CROSS,
    {
      package: 'qemu-user-static',
      use: 'runs what was built for arm64',
      there: () => which('qemu-aarch64-static') !== null,
    },
  ],
  arm64: CROSS,
};

/** A compiler without its C library headers is found on PATH and still builds nothing: only compiling tells. */
function compilerWorks() {
  const compiler = process.env.CXX ?? 'g++';
  if (which(compiler) === null && !existsSync(compiler)) return false;
  const program = '#include <cstdio>\n#include <sys/socket.h>\nint main() { return 0; }\n';
  return spawnSync(compiler, ['-std=c++20', '-fsyntax-only', '-x', 'c++', '-'], { input: program }).status === 0;
}

function pythonHas(module) {
  const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
  const code = `import importlib.util, sys; sys.exit(importlib.util.find_spec("${module}") is None)`;
  return spawnSync(python, ['-S', '-c', `import site; site.main(); ${code}`], { stdio: 'ignore' }).status === 0;
}

export function missingPackages(purpose) {
  return PACKAGES[purpose].filter((item) => !item.there());
}

/** Installs what is missing for `purpose`. When that cannot be done: throws if `required`, else says so and goes on. */
export async function installPackages(purpose, { required }) {
  const missing = missingPackages(purpose);
  if (missing.length === 0) return;
  const names = missing.map((item) => item.package);
  const advice = `missing: ${missing.map((item) => `${item.package} (${item.use})`).join(', ')}. Install with: ${command(names)}`;
  const refuse = (reason) => {
    if (required) throw new SetupError(`setup: ${reason}${advice}`);
    process.stderr.write(`setup: ${reason}${advice}\n`);
  };
  if (process.getuid() !== 0 || !isDebian()) return refuse('');
  process.stderr.write(`setup: apt-get install ${names.join(' ')} …\n`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update', '-qq'], { env });
  const install = () => run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], { env });
  const { code, output } = await (purpose === 'tests' ? withoutServices(install) : install());
  if (code !== 0) refuse(`apt-get failed:\n${output.trimEnd().split('\n').slice(-15).join('\n')}\n`);
}

const SERVICE_POLICY = '/usr/sbin/policy-rc.d';

/**
 * Some packages are services, which are started when they are installed. What tests want of them are the programs, for daemons of their own: Debian's maintainer scripts ask this file
 * whether they may start one (101 = no). A machine that has the file has decided that already.
 */
async function withoutServices(install) {
  if (existsSync(SERVICE_POLICY)) return await install();
  writeFileSync(SERVICE_POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return await install();
  } finally {
    rmSync(SERVICE_POLICY, { force: true });
  }
}

function isDebian() {
  if (which('apt-get') === null) return false;
  return /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'));
}

function command(names) {
  if (isDebian()) return `sudo apt-get install ${names.join(' ')}`;
  return `your system's package manager (Debian's names: ${names.join(' ')})`;
}
