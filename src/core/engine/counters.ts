/** Totals since the engine began; they only grow. */
export class Counters {
  invocations = 0;
  succeeded = 0;
  userErrors = 0;
  failed = 0;
  timeouts = 0;
  overloaded = 0;
  cancelled = 0;
  retries = 0;
  /** Containers tried again after a back-off. */
  creationRetries = 0;
  /** Containers tried on the next backend. */
  fallBacks = 0;
  cold = 0;
  prewarm = 0;
  warm = 0;
  /** Ran at once without a CPU slot, being short. */
  bypassed = 0;
  /** Containers that an eviction policy asked for ahead of their use. */
  foreseen = 0;
  containersCreated = 0;
  /** Made by an earlier process of the worker, and taken over. */
  containersAdopted = 0;
  containersFailed = 0;
  containersEvicted = 0;
  containersExpired = 0;
  containersCrashed = 0;
  /** Went after a run in which they used more than their memory, under the memory policy `grow`. */
  containersOutgrown = 0;
  /** Idle ones that went because the host was short of memory; they are among the evicted. */
  containersRelieved = 0;
  /** Results that came after their invocation had been answered. */
  lateResults = 0;
}
