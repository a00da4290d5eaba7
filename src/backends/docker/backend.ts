import { loggedActivity } from '../activity.js';
import type { BackendParts } from '../backends.js';
import { containerLimits } from '../cgroups/limits.js';
import { OciBackend } from '../oci/backend.js';
import { DockerClient } from './client.js';
import { DockerEngine } from './engine.js';
import { DockerNetworks } from './networks.js';

/** The backend `docker`: its engine and its networks, set up as the worker is configured. */
export function dockerBackend(parts: BackendParts): OciBackend {
  const { config, log, addresses = null, shard = 0, watch = loggedActivity(log) } = parts;
  const scope = `${shard === 0 ? config.name : `${config.name}.${shard}`}.docker`;
  const client = new DockerClient(config.backends.docker.socket);
  const networks =
    addresses === null ? null : new DockerNetworks({ client, scope, addresses, connected: config.network.connected });
  const { seccomp, openFiles } = config.sandbox;
  const engine = new DockerEngine({
    client,
    scope,
    networks,
    log,
    activity: watch('docker-events'),
    container: { seccomp, openFiles, limits: (definition) => containerLimits(definition, config) },
  });
  return new OciBackend({ ...parts, engine, networks });
}
