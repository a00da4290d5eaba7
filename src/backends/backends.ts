import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import type { Transport } from '../transport/transport.js';
import type { WatchActivity } from './activity.js';
import type { Backend } from './backend.js';
import { containerdBackend } from './containerd/backend.js';
import { dockerBackend } from './docker/backend.js';
import type { Lifecycle } from './lifecycle.js';
import type { BackendLog } from './log.js';
import type { Networks } from './networks.js';
import type { BridgeAddresses } from './oci/bridge-addresses.js';
import { ProcessBackend } from './process/backend.js';
import { SimulatedBackend } from './simulated/backend.js';

/** What a worker has to give its backends. Each takes what it needs. */
export interface BackendParts {
  readonly config: WorkerConfig;
  readonly transport: Transport;
  readonly lifecycle: Lifecycle;
  readonly networks: Networks | null;
  /** For engines that make bridges of their own; null or absent = those have no network "bridge". */
  readonly addresses?: BridgeAddresses | null;
  /** Which shard this is: what it owns carries the number; 0 when absent. */
  readonly shard?: number;
  /** Told of what goes on in the background; absent = it is only logged. */
  readonly watch?: WatchActivity;
  readonly log: BackendLog;
}

type BackendName = keyof WorkerConfig['backends'];

/** Every backend there is. Its key is its name, and its section in the configuration (`backends.<name>`), whose `enabled` says whether a worker has it. */
const BACKENDS: Readonly<Record<BackendName, (parts: BackendParts) => Backend>> = {
  process: (parts) => new ProcessBackend(parts),
  containerd: containerdBackend,
  docker: dockerBackend,
  simulated: (parts) => new SimulatedBackend(parts),
};

/** Those that are enabled, by name, not started. `log` makes the log of each. Throws `invalid` when there is none. */
export function createBackends(
  parts: Omit<BackendParts, 'log'>,
  log: (backend: string) => BackendLog,
): ReadonlyMap<string, Backend> {
  const made = new Map<string, Backend>();
  for (const [name, create] of Object.entries(BACKENDS)) {
    if (parts.config.backends[name as BackendName].enabled) made.set(name, create({ ...parts, log: log(name) }));
  }
  if (made.size > 0) return made;
  throw new IluvatarError('invalid', `no backend is enabled; there are: ${Object.keys(BACKENDS).join(', ')}`);
}
