import type { FunctionDefinition } from '../../config/api.js';
import { SOCKET_FOLDER, SOCKET_FOLDER_OPTIONS } from '../agent/socket-folder.js';
import type { DockerLimits } from '../cgroups/limit-formats.js';
import type { ContainerLimits } from '../cgroups/limits.js';
import type { ContainerPlan } from '../oci/engine.js';
import { seccompProfile } from '../oci/seccomp-profile.js';
import type { DockerImage } from './images.js';
import { LABELS } from './labels.js';
import { dockerResources } from './resources.js';

/** What `POST /containers/create` is sent for a plan. Pure. */

/** As the worker is configured. */
export interface ContainerOptions {
  readonly seccomp: boolean;
  readonly openFiles: number;
  limits(definition: FunctionDefinition): ContainerLimits;
}

export interface CreateOptions extends ContainerOptions {
  /** Of this worker: all that carries it is its own. */
  readonly scope: string;
  /** The daemon can put a container's cgroup below the worker's. */
  readonly cgroupParents: boolean;
}

const MIB = 1024 * 1024;
/** The container's processes are the first to go when the machine's memory runs out. */
const FIRST_VICTIM = 1000;

export interface CreateRequest {
  readonly Image: string;
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Env: readonly string[];
  readonly WorkingDir: string;
  readonly User: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly AttachStdout: true;
  readonly AttachStderr: true;
  /** A daemon that stops would wait ten seconds for each function, which knows nothing of other signals. */
  readonly StopSignal: 'SIGKILL';
  /** An image's own check would run a process in it every now and then. */
  readonly Healthcheck: { readonly Test: readonly ['NONE'] };
  readonly HostConfig: HostConfig;
  readonly NetworkingConfig?: { readonly EndpointsConfig: Readonly<Record<string, object>> };
}

export interface HostConfig extends DockerLimits {
  readonly CgroupParent?: string;
  readonly CgroupnsMode: 'private';
  readonly NetworkMode: string;
  readonly ReadonlyRootfs: boolean;
  readonly Tmpfs: Readonly<Record<string, string>>;
  readonly ShmSize: number;
  readonly Mounts: readonly object[];
  readonly CapDrop: readonly ['ALL'];
  readonly SecurityOpt: readonly string[];
  readonly GroupAdd: readonly string[];
  readonly Ulimits: readonly { Name: string; Soft: number; Hard: number }[];
  readonly OomScoreAdj: number;
  readonly IpcMode: 'private';
  readonly Init: false;
  readonly AutoRemove: false;
  readonly LogConfig: { readonly Type: 'none' };
  readonly DeviceRequests?: readonly DeviceRequest[];
}

export interface DeviceRequest {
  readonly DeviceIDs: readonly string[];
  readonly Capabilities: readonly (readonly string[])[];
}

export function createRequest(plan: ContainerPlan<DockerImage>, options: CreateOptions): CreateRequest {
  const { fn, network } = plan;
  const { definition, process } = fn;
  const { uid, gid, groups } = process.user;
  const devices = gpusOf(plan);
  // Inside there are only these, numbered from 0: the machine's numbers would hide them.
  const env =
    devices.length === 0 ? plan.env : { ...plan.env, CUDA_VISIBLE_DEVICES: devices.map((_, i) => i).join(',') };
  const ownCgroup = options.cgroupParents && plan.cgroupPath !== '';
  // Without an interface but `lo` there is nothing that a route socket could tell.
  const profile = options.seccomp ? JSON.stringify(seccompProfile(definition.network !== 'none')) : 'unconfined';
  return {
    Image: fn.image.id,
    Entrypoint: process.argv,
    Cmd: [],
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    WorkingDir: process.cwd,
    User: `${uid}:${gid}`,
    Labels: {
      [LABELS.worker]: options.scope,
      [LABELS.function]: fn.key,
      ...(ownCgroup ? { [LABELS.cgroup]: plan.cgroupPath } : {}),
    },
    AttachStdout: true,
    AttachStderr: true,
    StopSignal: 'SIGKILL',
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      ...dockerResources(options.limits(definition)),
      ...(ownCgroup ? { CgroupParent: plan.cgroupPath } : {}),
      CgroupnsMode: 'private',
      NetworkMode: network?.name ?? (definition.network === 'host' ? 'host' : 'none'),
      ReadonlyRootfs: fn.readOnlyRoot,
      Tmpfs: {
        '/tmp': `rw,nosuid,nodev,exec,mode=1777,size=${fn.tmpMb}m`,
        ...(definition.server === 'legacy-socket' ? oldAgentFolder(process.user) : {}),
      },
      ShmSize: Math.min(fn.tmpMb, 64) * MIB,
      // Not `Binds`: those cannot name a path with a colon, and make folders that are not there.
      Mounts: [
        ...(plan.sockets === null ? [] : [bind(plan.sockets, SOCKET_FOLDER)]),
        ...fn.binds.map(({ source, target }) => bind(source, target)),
      ],
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges', `seccomp=${profile}`],
      GroupAdd: groups.map(String),
      Ulimits: [limit('nofile', options.openFiles), limit('core', 0)],
      OomScoreAdj: FIRST_VICTIM,
      IpcMode: 'private',
      Init: false,
      AutoRemove: false,
      // Output is read as it comes; kept by the daemon it would fill the disk.
      LogConfig: { Type: 'none' },
      ...(devices.length === 0 ? {} : { DeviceRequests: [{ DeviceIDs: devices, Capabilities: [['gpu']] }] }),
    },
    ...(network === null
      ? {}
      : {
          NetworkingConfig: { EndpointsConfig: { [network.name]: { IPAMConfig: { IPv4Address: network.address } } } },
        }),
  };
}

/**
 * Numbers or UUIDs of the GPUs that the worker has given it. It says so in the container's environment, where a function's own word goes before its: what the function has set itself
 * is no GPU of the worker's.
 */
export function gpusOf({ fn, env }: ContainerPlan<DockerImage>): string[] {
  const { definition } = fn;
  if (!definition.devices.includes('gpu') || 'CUDA_VISIBLE_DEVICES' in definition.env) return [];
  return (env['CUDA_VISIBLE_DEVICES'] ?? '').split(',').filter((device) => device !== '');
}

/** runc gives it the mode of the folder that it covers: it has to be the user's. */
function oldAgentFolder({ uid, gid }: { readonly uid: number; readonly gid: number }): Record<string, string> {
  const options = ['rw', 'nosuid', 'nodev', 'noexec', ...SOCKET_FOLDER_OPTIONS, `uid=${uid}`, `gid=${gid}`];
  return { [SOCKET_FOLDER]: options.join(',') };
}

/** Read-only, the worker's socket too: nobody connects less for it, and root in a container cannot fill the host's disk beside it. */
function bind(source: string, target: string): object {
  return {
    Type: 'bind',
    Source: source,
    Target: target,
    ReadOnly: true,
    BindOptions: { Propagation: 'rprivate' },
  };
}

function limit(Name: string, value: number): { Name: string; Soft: number; Hard: number } {
  return { Name, Soft: value, Hard: value };
}
