import { join } from 'node:path';
import { resolveDataDir } from '../../config/paths.js';
import { loggedActivity } from '../activity.js';
import type { BackendParts } from '../backends.js';
import { OciBackend } from '../oci/backend.js';
import { ContainerdEngine } from './engine.js';

/** The backend `containerd`: its engine, set up as the worker is configured. */
export function containerdBackend(parts: BackendParts): OciBackend {
  return new OciBackend({ ...parts, engine: containerdEngine(parts) });
}

export function containerdEngine(parts: Pick<BackendParts, 'config' | 'log' | 'shard' | 'watch'>): ContainerdEngine {
  const { config, log, shard = 0, watch = loggedActivity(log) } = parts;
  const { address, namespace, snapshotter, runtime } = config.backends.containerd;
  const { seccomp, openFiles } = config.sandbox;
  return new ContainerdEngine({
    address,
    namespace,
    snapshotter,
    runtime,
    scope: `${shard === 0 ? config.name : `${config.name}.${shard}`}.containerd`,
    folder: join(resolveDataDir(config), `containerd-${shard}`),
    seccomp,
    openFiles,
    log,
    activity: watch('containerd-events'),
  });
}
