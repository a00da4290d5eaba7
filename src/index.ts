/**
 * The public library. Nothing outside this file is public.
 *
 * @packageDocumentation
 */
export type { DeadLetterCalls, ScheduleCalls } from './client/async-calls.js';
export { type Client, connect } from './client/client.js';
export type {
  AsyncCounters,
  AsyncFailure,
  AsyncInvocation,
  AsyncInvokeOptions,
  AsyncStatus,
  DeadLetter,
  DeadLetterSelection,
  FunctionDefinition,
  FunctionDefinitionInput,
  InvokeOptions,
  InvokeResult,
  Phases,
  PrewarmOptions,
  RegisteredFunction,
  RegisterOptions,
  Schedule,
  ScheduleInput,
  WorkerHealth,
  WorkerStatus,
} from './config/api.js';
export type { WorkerConfig, WorkerConfigInput } from './config/schema.js';
export { type ErrorClass, type ErrorDetails, IluvatarError } from './core/errors.js';
export type { DeviceTimings } from './core/timings.js';
export { readMeasuredRuns } from './sim/measured-runs.js';
export type { InvocationRow, RowSink, SecondRow } from './sim/output/sink.js';
export { type Simulation, type SimulationEvent, type SimulationOptions, simulate } from './sim/simulate.js';
export type { Distribution, SimulationSummary } from './sim/summary.js';
export type { TimeModel } from './sim/time-model.js';
export { ArrayTrace, type TraceFunctionInput } from './sim/trace/array-trace.js';
export { openTrace, type TraceOptions } from './sim/trace/open-trace.js';
export type { ArrivalBatch, TraceFunction, TraceSource } from './sim/trace/trace-source.js';
export { Worker } from './worker/worker.js';
