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
  EnergyStatus,
  FunctionDefinition,
  FunctionDefinitionInput,
  InvocationEnergy,
  InvokeOptions,
  InvokeResult,
  Phases,
  PowerCapStatus,
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
export { type LoadOutcome, type LoadPlan, type LoadProgress, runLoad } from './load/run-load.js';
export type { LoadAnswer, LoadCall, LoadFunction, LoadTarget } from './load/target.js';
export { openTarget, type TargetOptions } from './load/targets/open-target.js';
export type { ClosedWork, OpenWork, Work } from './load/work.js';
export { type Analysis, type AnalysisOptions, analyse, type TimelinePoint } from './results/analysis.js';
export {
  type CompareOptions,
  type ComparisonLine,
  compareRuns,
  type RunComparison,
} from './results/compare/compare.js';
export type { DetailedDistribution, Distribution } from './results/distribution.js';
export type { ExperimentFacts } from './results/experiment-facts.js';
export type { InvocationRow } from './results/invocation-row.js';
export type { LoadRow } from './results/load-row.js';
export { readResults, streamResults } from './results/readers/data-frame.js';
export { openExperiment } from './results/readers/open-experiment.js';
export { openResults, type Results } from './results/readers/open-results.js';
export type { RowSource } from './results/readers/row-source.js';
export type { SecondRow } from './results/second-row.js';
export type { Series, SeriesPoint } from './results/series.js';
export { type JoinedSeries, readSeriesJoin, type SeriesJoin } from './results/series-join.js';
export type { SeriesRow } from './results/series-row.js';
export { type RunSummary, SummaryBuilder, type SummaryOptions } from './results/summary.js';
export { readMeasuredRuns } from './sim/measured-runs.js';
export { type Simulation, type SimulationEvent, type SimulationOptions, simulate } from './sim/simulate.js';
export type { SimulationSummary } from './sim/summary.js';
export type { TimeModel } from './sim/time-model.js';
export type { RowSink } from './tables/sink.js';
export {
  type TegrastatsCounters,
  TegrastatsParser,
  type TegrastatsParserOptions,
} from './telemetry/jetson/tegrastats-parser.js';
export type {
  CoreLoad,
  EngineLoad,
  MemoryUse,
  NamedEngine,
  NamedMemory,
  Rail,
  SwapUse,
  TegrastatsSample,
  Temperature,
  TotalPower,
} from './telemetry/jetson/tegrastats-sample.js';
export { ArrayTrace } from './traces/array-trace.js';
export { openTrace, type TraceOptions } from './traces/open-trace.js';
export type { ArrivalBatch, TraceFunction, TraceFunctionInput, TraceSource } from './traces/trace-source.js';
export { Worker } from './worker/worker.js';
