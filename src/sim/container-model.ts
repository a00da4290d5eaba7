import type { Container, ContainerFailure, ErrorClass, Invocation } from '../core/index.js';

/** What a run comes to, when it does not end well. */
export type RunFate =
  /** The container answers with this class: `user_error`, `out_of_memory`, … */
  | { readonly kind: 'answer'; readonly errorClass: ErrorClass }
  /** The container dies, with everything else on it. */
  | { readonly kind: 'exit'; readonly failure: ContainerFailure }
  /** Nothing is heard of it again, not even when it is cancelled. */
  | { readonly kind: 'silence' };

/** How simulated containers behave; times are whole µs. `runFate`, asked again about the same attempt, gives the same answer. */
export interface ContainerModel {
  /** From the command to create it to its answer. */
  creationUs(container: Container): number;
  /** Null = it will be ready. */
  creationFailure(container: Container): ContainerFailure | null;
  /** Inside the function. */
  runUs(container: Container, invocation: Invocation): number;
  /** Null = it succeeds. */
  runFate(container: Container, invocation: Invocation): RunFate | null;
  /** From the command to destroy it until its memory is free. */
  destructionUs(container: Container): number;
}
