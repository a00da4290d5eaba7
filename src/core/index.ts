/** The public face of the engine. Other folders import from here. */
export type { Clock } from './clock.js';
export {
  adjustableOptions,
  configureEngine,
  type EngineOwner,
  type EngineSettings,
  type PolicyChoice,
} from './configure.js';
export type { DeviceLoads, DispatchChoice, DispatchPolicy } from './dispatch/dispatch-policy.js';
export { anyOf, logNormalUs } from './durations.js';
export {
  type BackendStatus,
  Engine,
  type EngineOptions,
  type EngineStatus,
  type PrewarmSink,
  silentLog,
} from './engine.js';
export * from './errors.js';
export * from './function.js';
export type { FunctionRecord } from './function-record.js';
export type { FailedAttempt, Invocation, InvocationSink, Outcome, Payload } from './invocation.js';
export * from './policies.js';
export * from './policy.js';
export type { Container, ContainerState } from './pool/container.js';
export type { EvictionPolicy } from './pool/eviction/eviction-policy.js';
export type { ContainerFailure, ContainerPort, DestroyReason, EngineLog } from './ports.js';
export type { QueuePolicy } from './queue/queue-policy.js';
export { type Random, seededRandom } from './random.js';
export { Characteristic, DeviceStats, FunctionStats } from './stats.js';
export {
  type DeviceTimings,
  type FunctionTimings,
  givenTimingsOf,
  learnTimings,
  measuredCreations,
  measuredCreationUs,
  timingsOf,
} from './timings.js';
