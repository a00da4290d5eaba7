import type { Clock } from '../clock.js';
import type { CreationOptions } from '../creation/creation-policy.js';
import type { DispatchPolicy } from '../dispatch/dispatch-policy.js';
import type { Device } from '../function.js';
import type { Payload } from '../invocation.js';
import type { EvictionPolicy } from '../pool/eviction/eviction-policy.js';
import type { ContainerPort, EngineLog } from '../ports.js';
import type { QueuePolicy } from '../queue/queue-policy.js';
import type { GpuOptions } from '../resources/gpu-options.js';
import type { OversubscriptionOptions } from '../resources/oversubscription.js';
import type { PowerCapOptions } from '../resources/power-cap.js';

/** Everything an engine is given. Nothing here has a default: the owner's configuration says it all, once. */
export interface EngineOptions {
  readonly clock: Clock;
  readonly port: ContainerPort;
  /** One for each kind of device. */
  readonly queues: Readonly<Record<Device, QueuePolicy>>;
  /** Makes one for the CPU (-1) and one for each GPU (its index). */
  readonly eviction: (device: number) => EvictionPolicy;
  readonly dispatch: DispatchPolicy;
  /** Backends that containers can be made on. */
  readonly backends: readonly string[];
  readonly create: CreationOptions;
  readonly gpu: GpuOptions;
  /** CPU slots that admit work; Infinity = no limit. */
  readonly cpuSlots: number;
  /** Functions that run for less on average skip the queue and CPU slots when a container of theirs is idle; µs, 0 = none do. */
  readonly bypassUs: number;
  /** More CPU slots while the load allows; null = never. */
  readonly oversubscription: OversubscriptionOptions | null;
  /** null = nobody reads the machine's power. */
  readonly power: PowerCapOptions | null;
  /** Memory that containers may reserve; MiB. */
  readonly memoryMb: number;
  /** Containers with a network address of their own; Infinity = no limit. */
  readonly addresses: number;
  /** Kept free by evicting idle containers; MiB. */
  readonly bufferMb: number;
  /** Most queued invocations. */
  readonly queueLimit: number;
  /** Drop an invocation that has not begun to run when its caller leaves. */
  readonly dropAbandoned: boolean;
  /** How long an overdue run may take to answer (with its traceback) before its container is taken away; µs. */
  readonly cancelGraceUs: number;
  /** Given every payload that nobody will take: results that come after their invocation was answered. */
  readonly discard: (payload: Payload) => void;
  readonly log: EngineLog;
}

/** What of them may change while the engine runs (`Engine.adjust`). Whoever needs one of these reads it when it is needed, and keeps no copy. */
export type AdjustableOptions = Pick<
  EngineOptions,
  'memoryMb' | 'bufferMb' | 'queueLimit' | 'dropAbandoned' | 'bypassUs'
> & {
  /** Of `power`; 0 = no cap. */
  readonly capWatts: number;
};

/** For simulation and tests. */
export const silentLog: EngineLog = {
  debug() {},
  info() {},
  warn() {},
};
