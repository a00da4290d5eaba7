import type { WatchActivity } from '../backends/activity.js';
import type { WorkerConfig } from '../config/schema.js';
import type { Engine } from '../core/index.js';
import { BridgeAddresses } from '../net/bridge-addresses.js';
import { ContainerNetworks } from '../net/container-networks.js';
import { type Log, moduleLog } from '../telemetry/logs/log.js';

/** The networks of a shard's containers, and the addresses of those that engines make themselves. */
export function createNetworks(config: WorkerConfig, log: Log, watch: WatchActivity, engine: () => Engine) {
  // Each keeps away from the other's subnets, also from those of which the machine knows nothing yet.
  const networks: ContainerNetworks = new ContainerNetworks({
    config,
    log: moduleLog(log, 'network'),
    activity: watch('network-pools'),
    addresses: (count) => engine().addressesAvailable(count),
    others: () => addresses.ranges,
  });
  const addresses = new BridgeAddresses(config.network, () => networks.ranges);
  return { networks, addresses };
}
