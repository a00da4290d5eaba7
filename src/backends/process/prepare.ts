import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { FunctionDefinition } from '../../config/api.js';
import { IluvatarError } from '../../core/errors.js';
import type { Lifecycle } from '../lifecycle.js';
import type { LayerInstaller } from './dependencies.js';
import type { ProcessFunction } from './function.js';
import { usedModules } from './imports.js';
import type { FoundInterpreter } from './interpreter.js';
import type { BackendPaths } from './paths.js';
import { assignedArgv } from './runtimes.js';

/** Registration: source into the store, runtime and entry point found, dependencies installed. Everything slow happens here. */
export interface PrepareContext {
  readonly paths: BackendPaths;
  readonly layers: LayerInstaller;
  readonly lifecycle: Lifecycle;
  readonly sourceMaxBytes: number;
  readonly python: FoundInterpreter;
  readonly node: FoundInterpreter;
}

export async function prepareFunction(
  context: PrepareContext,
  definition: FunctionDefinition,
  key: string,
  progress: (line: string) => void,
): Promise<ProcessFunction> {
  const { paths, layers } = context;
  if (definition.server === 'http' && definition.network === 'none') {
    throw new IluvatarError(
      'invalid',
      'server "http" needs network "bridge" or "host": the worker must reach its port',
    );
  }
  if (definition.server !== 'framed' && definition.concurrency > 1 && definition.server !== 'http') {
    throw new IluvatarError('invalid', 'server "legacy-socket" answers one request at a time: concurrency must be 1');
  }
  if (definition.source === null) {
    throw new IluvatarError('invalid', 'the backend "process" runs source: an image needs containerd or Docker');
  }
  const source = await context.lifecycle.run('importSource', {
    source: definition.source,
    code: paths.code,
    staging: paths.staging,
    maxBytes: context.sourceMaxBytes,
    runtime: definition.runtime,
    entry: definition.entry,
    dependencies: definition.dependencies,
    nodeAbi: context.node.interpreter?.abi ?? null,
  });
  progress(
    `source ${source.digest.slice(0, 12)}: ${source.files} files, ${source.bytes} bytes, ${source.runtime}, entry ${source.entry}`,
  );
  const python = source.runtime === 'python3' ? interpreterOf(context.python, 'Python') : null;
  const node = source.runtime === 'nodejs' ? interpreterOf(context.node, 'Node') : null;
  let layer: string | null = null;
  if (definition.dependencies && python !== null) layer = await layers.python(source, python, progress);
  if (definition.dependencies && node !== null) layer = await layers.node(source, node, progress);
  // A zygote of its own is worth it only for what takes long to import; `zygote: false` has none at all.
  const warm = layer !== null && python !== null && definition.zygote && definition.server === 'framed';
  const used = warm ? usedModules(join(paths.store, layer as string), source.imports) : { modules: [], heavy: false };
  const fn = {
    key,
    definition,
    digest: '',
    runtime: source.runtime,
    entry: source.entry,
    code: `code/${source.digest}`,
    layers: layer === null ? [] : [layer],
    zygoteModules: used.heavy ? used.modules : [],
    argv: assignedArgv(source.runtime, definition.server, source.entry, python, node),
    tmpMb: definition.tmpMb ?? Math.max(1, Math.floor(definition.memoryMb / 2)),
  };
  // What the source is called on the host decides nothing, what is in it does.
  const { source: _path, labels: _labels, ...rest } = definition;
  const interpreter = python ?? node;
  const digest = digestOf([
    rest,
    source.digest,
    source.runtime,
    source.entry,
    layer,
    interpreter?.version ?? null,
    interpreter?.abi ?? null,
  ]);
  return { ...fn, digest };
}

function interpreterOf(found: FoundInterpreter, name: string): NonNullable<FoundInterpreter['interpreter']> {
  if (found.interpreter !== null) return found.interpreter;
  throw new IluvatarError('unavailable', found.notes.at(-1) ?? `there is no ${name} here`);
}

function digestOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
