import { loggedActivity } from '../activity.js';
import type { BackendParts } from '../backends.js';
import { containerLimits } from '../cgroups/limits.js';
import { OciBackend } from '../oci/backend.js';
import { DockerClient } from './client.js';
import { DockerEngine } from './engine.js';
import { DockerNetworks } from './networks.js';

/** The backend `docker`: its engine and its networks, set up as the worker is configured. */
export function dockerBackend(parts: BackendParts): OciBackend {
  const { config, addresses = null } = parts;
  const client = new DockerClient(config.backends.docker.socket);
  const { connected } = config.network;
  const networks =
    addresses === null ? null : new DockerNetworks({ client, scope: scopeOf(parts), addresses, connected });
  return new OciBackend({ ...parts, engine: dockerEngine(parts, networks, client), networks });
}

export function dockerEngine(
  parts: Pick<BackendParts, 'config' | 'log' | 'shard' | 'watch'>,
  networks: DockerNetworks | null,
  client = new DockerClient(parts.config.backends.docker.socket),
): DockerEngine {
  const { config, log, watch = loggedActivity(log) } = parts;
  const { seccomp, openFiles } = config.sandbox;
  return new DockerEngine({
    client,
    scope: scopeOf(parts),
    networks,
    log,
    activity: watch('docker-events'),
    container: { seccomp, openFiles, limits: (definition) => containerLimits(definition, config) },
  });
}

function scopeOf({ config, shard = 0 }: Pick<BackendParts, 'config' | 'shard'>): string {
  return `${shard === 0 ? config.name : `${config.name}.${shard}`}.docker`;
}
