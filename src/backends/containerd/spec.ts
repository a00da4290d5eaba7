import { SOCKET_FOLDER, SOCKET_FOLDER_OPTIONS } from '../agent/socket-folder.js';
import type { ContainerPlan } from '../oci/engine.js';
import { seccompProfile } from '../oci/seccomp-profile.js';

/**
 * The OCI runtime configuration (runtime-spec 1.0.2) of one container. Limits are not in it: they are in the container's cgroup already, which
 * `cgroupsPath` names. What is in it is less than any engine's default: no capability, no device but the harmless ones, nothing writable but
 * tmpfs of a bounded size, unless the function asked for a writable root.
 */

export interface SpecOptions {
  /** Our own shim filters system calls itself and is told so by an annotation; others take a profile. */
  readonly ownShim: boolean;
  /** Socket of our own shim's daemon; '' = another runtime's. */
  readonly shimSocket: string;
  /** Whether containers get the filter at all. */
  readonly seccomp: boolean;
  readonly openFiles: number;
}

const NONE: readonly string[] = [];
const MASKED = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/firmware',
];
const READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export function runtimeSpec(plan: ContainerPlan, options: SpecOptions): object {
  const { fn, env, network } = plan;
  const { process } = fn;
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid: process.user.uid, gid: process.user.gid, additionalGids: process.user.groups },
      args: process.argv,
      env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      cwd: process.cwd,
      capabilities: { bounding: NONE, effective: NONE, inheritable: NONE, permitted: NONE, ambient: NONE },
      noNewPrivileges: true,
      // The first to go when the machine's memory runs out. Set while it still has rights, it cannot be taken back.
      oomScoreAdj: 1000,
      rlimits: [
        { type: 'RLIMIT_NOFILE', hard: options.openFiles, soft: options.openFiles },
        { type: 'RLIMIT_CORE', hard: 0, soft: 0 },
      ],
    },
    root: { path: 'rootfs', readonly: fn.readOnlyRoot },
    hostname: 'function',
    mounts: mountsOf(plan),
    annotations: annotationsOf(plan, options),
    linux: {
      ...(plan.cgroupPath === '' ? {} : { cgroupsPath: plan.cgroupPath }),
      namespaces: [
        { type: 'pid' },
        { type: 'ipc' },
        { type: 'uts' },
        { type: 'mount' },
        ...networkNamespace(fn.definition.network, network?.path ?? null),
      ],
      maskedPaths: MASKED,
      readonlyPaths: READ_ONLY,
      ...(options.ownShim || !options.seccomp ? {} : { seccomp: seccompProfile(hasLinks(plan)) }),
    },
  };
}

/** Without a path: a new one with nothing but loopback. The host's own is joined by leaving it out. */
function networkNamespace(network: 'none' | 'host' | 'bridge', path: string | null): object[] {
  if (network === 'host') return [];
  return [path === null ? { type: 'network' } : { type: 'network', path }];
}

/** Route sockets are of use only where there is more than loopback. */
function hasLinks({ fn }: ContainerPlan): boolean {
  return fn.definition.network !== 'none';
}

function annotationsOf(plan: ContainerPlan, { ownShim, shimSocket, seccomp }: SpecOptions): Record<string, string> {
  if (!ownShim) return {};
  const filter = !seccomp ? 'off' : hasLinks(plan) ? 'links' : 'default';
  return { 'dev.iluvatar.shim': shimSocket, 'dev.iluvatar.seccomp': filter };
}

function mountsOf({ fn, sockets }: ContainerPlan): object[] {
  const tmpfs = (destination: string, ...options: string[]): object => ({
    destination,
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'nodev', ...options],
  });
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'noexec', 'mode=755', 'size=64k'] },
    tmpfs('/dev/shm', 'noexec', 'mode=1777', `size=${fn.tmpMb}m`),
    tmpfs('/tmp', 'mode=1777', `size=${fn.tmpMb}m`),
    ...fn.binds.map(({ source, target }) => ({
      destination: target,
      type: 'bind',
      source,
      options: ['rbind', 'ro', 'nosuid', 'nodev'],
    })),
    ...(sockets === null ? [] : [workerSocket(sockets)]),
    ...(fn.definition.server === 'legacy-socket' ? [oldAgentFolder(fn.process.user)] : []),
  ];
}

/** Read-only: nobody connects less for it, and root in a container cannot fill the host's disk there. */
function workerSocket(source: string): object {
  return { destination: SOCKET_FOLDER, type: 'bind', source, options: ['bind', 'ro', 'nosuid', 'nodev', 'noexec'] };
}

/** runc gives it the mode of the folder that it covers: it has to be the user's. */
function oldAgentFolder({ uid, gid }: { readonly uid: number; readonly gid: number }): object {
  const options = ['nosuid', 'nodev', 'noexec', ...SOCKET_FOLDER_OPTIONS, `uid=${uid}`, `gid=${gid}`];
  return { destination: SOCKET_FOLDER, type: 'tmpfs', source: 'tmpfs', options };
}
