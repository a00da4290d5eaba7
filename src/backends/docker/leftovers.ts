import type { WorkerConfig } from '../../config/schema.js';
import type { Leftovers } from '../leftovers.js';
import type { BackendLog } from '../log.js';
import { EngineLeftovers } from '../oci/leftovers.js';
import { dockerEngine } from './backend.js';
import { DockerClient } from './client.js';
import { listNetworks, removeNetworks } from './networks.js';

/** Containers, and the networks that they are in. */
export function dockerLeftovers(config: WorkerConfig, log: BackendLog): Leftovers[] {
  const scope = `${config.name}.docker`;
  // Without networks: an engine that has some removes what an earlier life left of them as it starts, and listing must not.
  const engine = () => new EngineLeftovers(dockerEngine({ config, log }, null));
  const withClient = async <T>(use: (client: DockerClient) => Promise<T>): Promise<T> => {
    const client = new DockerClient(config.backends.docker.socket);
    try {
      return await use(client);
    } finally {
      client.close();
    }
  };
  const networks: Leftovers = {
    list: () =>
      withClient(async (client) => (await listNetworks(client, scope)).map(({ Name }) => `docker network ${Name}`)),
    remove: () => withClient((client) => removeNetworks(client, scope)),
  };
  return [{ list: () => engine().list(), remove: () => engine().remove() }, networks];
}
