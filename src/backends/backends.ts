import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import type { Transport } from '../transport/transport.js';
import type { WatchActivity } from './activity.js';
import type { Backend } from './backend.js';
import type { Lifecycle } from './lifecycle.js';
import type { BackendLog } from './log.js';
import type { Networks } from './networks.js';
import type { BridgeAddresses } from './oci/bridge-addresses.js';

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

type CreateBackend = (parts: BackendParts) => Backend;

/** What makes each backend that a worker has, by name. */
export type EnabledBackends = ReadonlyMap<string, CreateBackend>;

/**
 * Every backend there is. Its key is its name, and its section in the configuration (`backends.<name>`), whose `enabled` says whether a worker has it. Its code is loaded only then: the client of one
 * engine is a fifth of all that a worker would load.
 */
const BACKENDS: Readonly<Record<BackendName, () => Promise<CreateBackend>>> = {
  process: async () => {
    const { ProcessBackend } = await import('./process/backend.js');
    return (parts) => new ProcessBackend(parts);
  },
  containerd: async () => (await import('./containerd/backend.js')).containerdBackend,
  docker: async () => (await import('./docker/backend.js')).dockerBackend,
  simulated: async () => {
    const { SimulatedBackend } = await import('./simulated/backend.js');
    return (parts) => new SimulatedBackend(parts);
  },
};

/** Loads those that are enabled. Rejects with `invalid` when there is none. */
export async function loadBackends(config: WorkerConfig): Promise<EnabledBackends> {
  const enabled = new Map<string, CreateBackend>();
  for (const [name, load] of Object.entries(BACKENDS)) {
    if (config.backends[name as BackendName].enabled) enabled.set(name, await load());
  }
  if (enabled.size > 0) return enabled;
  throw new IluvatarError('invalid', `no backend is enabled; there are: ${Object.keys(BACKENDS).join(', ')}`);
}

/** By name, not started. `log` makes the log of each. */
export function createBackends(
  enabled: EnabledBackends,
  parts: Omit<BackendParts, 'log'>,
  log: (backend: string) => BackendLog,
): ReadonlyMap<string, Backend> {
  return new Map([...enabled].map(([name, create]) => [name, create({ ...parts, log: log(name) })]));
}
