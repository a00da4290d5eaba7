import type { FunctionDefinition } from '../../config/api.js';
import type { PreparedFunction } from '../backend.js';

/** A function prepared for a container engine: its image, and what runs in it. */
export interface OciFunction<Image = unknown> extends PreparedFunction {
  readonly definition: FunctionDefinition;
  readonly runtime: string;
  /** The engine's own handle. */
  readonly image: Image;
  readonly process: ProcessPlan;
  /** Host folders and files seen read-only. */
  readonly binds: readonly Bind[];
  readonly readOnlyRoot: boolean;
  /** `/tmp`; MiB. */
  readonly tmpMb: number;
  /** For `ILUVATAR_ASSIGN`: what the image's own assign.json does not know. Empty for agents that are not ours. */
  readonly assign: Readonly<Record<string, unknown>>;
}

export interface ProcessPlan {
  readonly argv: readonly string[];
  /** Of the image. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** As the image says it, names resolved: `uid`, `gid`. */
  readonly user: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] };
}

export interface Bind {
  readonly source: string;
  readonly target: string;
}
