import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { FunctionDefinition } from '../../config/api.js';
import { IluvatarError } from '../../core/errors.js';
import type { LayerInstaller } from './dependencies.js';
import type { FoundInterpreter, Interpreter } from './interpreter.js';
import type { BackendPaths } from './paths.js';
import type { ImportedSource, ImportRequest } from './source.js';

/** The way of every function from source, whatever runs it: into the store, runtime and entry point found, dependencies installed. */
export interface SourceTools {
  readonly paths: Pick<BackendPaths, 'code' | 'staging'>;
  readonly layers: LayerInstaller;
  readonly maxBytes: number;
  /** Off the shard where there is one. */
  importSource(request: ImportRequest): Promise<ImportedSource>;
  /** Asked only where one is needed. */
  python(): Promise<FoundInterpreter>;
  node(): Promise<FoundInterpreter>;
}

export type SourceDefinition = Pick<FunctionDefinition, 'runtime' | 'entry' | 'dependencies'> & {
  /** Absolute path. */
  readonly source: string;
};

export interface TakenSource {
  readonly source: ImportedSource;
  /** Relative to the store, `layers/<hash>`; null = no dependencies. */
  readonly layer: string | null;
}

export async function takeSource(
  tools: SourceTools,
  definition: SourceDefinition,
  progress: (line: string) => void,
): Promise<TakenSource> {
  const { source: path, runtime, entry, dependencies } = definition;
  const node = dependencies && mayNeedNode(path) ? (await tools.node()).interpreter : null;
  const source = await tools.importSource({
    source: path,
    code: tools.paths.code,
    staging: tools.paths.staging,
    maxBytes: tools.maxBytes,
    runtime,
    entry,
    dependencies,
    nodeAbi: node?.abi ?? null,
  });
  progress(
    `source ${source.digest.slice(0, 12)}: ${source.files} files, ${source.bytes} bytes, ${source.runtime}, entry ${source.entry}`,
  );
  return { source, layer: dependencies ? await install(tools, source, progress) : null };
}

export function interpreterOf(found: FoundInterpreter, name: string): Interpreter {
  if (found.interpreter !== null) return found.interpreter;
  throw new IluvatarError('unavailable', found.notes.at(-1) ?? `there is no ${name} here`);
}

/** Archives hold whatever they hold. */
function mayNeedNode(source: string): boolean {
  const file = statSync(source, { throwIfNoEntry: false })?.isFile() === true;
  return file || existsSync(join(source, 'package.json'));
}

async function install(
  tools: SourceTools,
  source: ImportedSource,
  progress: (line: string) => void,
): Promise<string | null> {
  if (source.runtime === 'python3' && source.requirements !== null) {
    return tools.layers.python(source, interpreterOf(await tools.python(), 'Python'), progress);
  }
  if (source.runtime !== 'nodejs' || source.packageJson === null) return null;
  return tools.layers.node(source, interpreterOf(await tools.node(), 'Node'), progress);
}
