import { accessSync, constants } from 'node:fs';
import type { Info } from '../../backends/docker/api.js';
import type { WorkerConfig } from '../../config/schema.js';
import { nativeFile } from '../../native.js';
import { type ContainerdAbout, type Probe, probeContainerd, probeDocker } from '../engine-probe.js';
import { type Finding, finding, type Verdict } from './finding.js';

/** The container engines that backends can use. None is needed: functions run without. */

const GROUP = 'container engines';
const SHIM = 'containerd-shim-iluvatar-v1';

export async function engineFindings({ backends, cgroup }: WorkerConfig): Promise<Finding[]> {
  const [containerd, docker] = await Promise.all([probeContainerd(backends), probeDocker(backends)]);
  const { enabled, runtime } = backends.containerd;
  return [
    finding(GROUP, 'containerd', 'functions in containers of containerd (backends.containerd)', {
      ...engine('containerd', containerd, enabled),
    }),
    ...(containerd.here ? [snapshotter(containerd, backends.containerd)] : []),
    ...(runtime === 'iluvatar'
      ? [finding(GROUP, 'shim', 'containers of containerd without runc, quickly', shim())]
      : []),
    finding(GROUP, 'Docker', 'functions in containers of Docker (backends.docker)', {
      ...engine('docker.io', docker, backends.docker.enabled),
    }),
    ...(docker.here ? [cgroupDriver(docker, cgroup.mode)] : []),
  ];
}

/** `missing` only where the configuration wants it; even then a worker starts, and tries again and again. */
function engine(packageName: string, probe: Probe<unknown>, enabled: boolean): Verdict {
  const { socket } = probe;
  if (probe.here) return { state: 'ok', found: `${probe.version} at ${socket}${enabled ? '' : '; not enabled'}` };
  const forbidden = probe.reason.includes('may not be opened');
  const advice = forbidden
    ? `run the worker as root, or as a user who may open ${socket}`
    : `start it, or install it (apt-get install ${packageName}), or say where its socket is`;
  return { state: enabled ? 'missing' : 'warn', found: `${socket}: ${probe.reason}`, advice };
}

function snapshotter(
  probe: Probe<ContainerdAbout> & { here: true },
  { snapshotter: name }: WorkerConfig['backends']['containerd'],
): Finding {
  const gives = 'images as root file systems of containers';
  if (probe.about.snapshotter) return finding(GROUP, 'snapshotter', gives, { state: 'ok', found: name });
  const found = `this containerd has no "${name}"`;
  return finding(GROUP, 'snapshotter', gives, {
    state: 'missing',
    found,
    advice: 'set backends.containerd.snapshotter to one that `ctr plugins ls` shows',
  });
}

function shim(): Verdict {
  const path = nativeFile(SHIM);
  try {
    accessSync(path, constants.X_OK);
    return { state: 'ok', found: path };
  } catch {
    const advice = 'npm run setup builds it; or set backends.containerd.runtime to io.containerd.runc.v2';
    return { state: 'missing', found: `${path} cannot be executed`, advice };
  }
}

function cgroupDriver({ about }: Probe<Info> & { here: true }, mode: 'auto' | 'none'): Finding {
  const gives = "the worker's own limits on containers of Docker, and what they use";
  const found = `${about.CgroupDriver}, cgroup v${about.CgroupVersion ?? '1'}`;
  if (about.CgroupDriver === 'cgroupfs' || mode === 'none') {
    return finding(GROUP, 'cgroup driver', gives, { state: 'ok', found });
  }
  const advice =
    'set "exec-opts": ["native.cgroupdriver=cgroupfs"] in /etc/docker/daemon.json; else Docker\'s limits alone hold';
  return finding(GROUP, 'cgroup driver', gives, { state: 'warn', found, advice });
}
