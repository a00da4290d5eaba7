import type { WorkerConfig } from '../../config/schema.js';
import type { Leftovers } from '../leftovers.js';
import type { BackendLog } from '../log.js';
import { EngineLeftovers } from '../oci/leftovers.js';
import { containerdEngine } from './backend.js';

export function containerdLeftovers(config: WorkerConfig, log: BackendLog): Leftovers {
  return {
    // An engine each time: one that was stopped is not started again.
    list: () => new EngineLeftovers(containerdEngine({ config, log })).list(),
    remove: () => new EngineLeftovers(containerdEngine({ config, log })).remove(),
  };
}
