import type { FunctionDefinition } from '../../config/api.js';
import type { PreparedFunction } from '../backend.js';
import type { Runtime } from './entry.js';

/** A function prepared for this backend: where its code and layers are, and how its containers are made. */
export interface ProcessFunction extends PreparedFunction {
  readonly definition: FunctionDefinition;
  readonly runtime: Runtime;
  readonly entry: string;
  /** Relative to the store. */
  readonly code: string;
  readonly layers: readonly string[];
  /** Modules a zygote of its own imports; empty = the base zygote will do. */
  readonly zygoteModules: readonly string[];
  /** What the agent of an executable, or of an old agent's program, is started with; null = our agent. */
  readonly argv: readonly string[] | null;
  /** `/tmp`; MiB. */
  readonly tmpMb: number;
}
