/**
 * The public library. Nothing outside this file is public.
 *
 * @packageDocumentation
 */
export { type Client, connect } from './client/client.js';
export type {
  AsyncInvocation,
  FunctionDefinition,
  FunctionDefinitionInput,
  InvokeOptions,
  InvokeResult,
  Phases,
  PrewarmOptions,
  RegisteredFunction,
  RegisterOptions,
  WorkerHealth,
  WorkerStatus,
} from './config/api.js';
export type { WorkerConfig, WorkerConfigInput } from './config/schema.js';
export { type ErrorClass, type ErrorDetails, IluvatarError } from './core/errors.js';
export { Worker } from './worker/worker.js';
