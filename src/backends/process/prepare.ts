import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { FunctionDefinition } from '../../config/api.js';
import { IluvatarError } from '../../core/errors.js';
import { assertServer, oldAgentArgv } from '../agent/old-agent.js';
import type { Lifecycle } from '../lifecycle.js';
import type { LayerInstaller } from './dependencies.js';
import type { ProcessFunction } from './function.js';
import { usedModules } from './imports.js';
import type { FoundInterpreter } from './interpreter.js';
import type { BackendPaths } from './paths.js';
import type { ImportRequest } from './source.js';
import { interpreterOf, takeSource } from './take-source.js';

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
  const { paths } = context;
  assertServer(definition);
  if (definition.source === null) {
    throw new IluvatarError('invalid', 'the backend "process" runs source: an image needs containerd or Docker');
  }
  const tools = {
    paths,
    layers: context.layers,
    maxBytes: context.sourceMaxBytes,
    importSource: (request: ImportRequest) => context.lifecycle.run('importSource', request),
    python: async () => context.python,
    node: async () => context.node,
  };
  const { source, layer } = await takeSource(tools, { ...definition, source: definition.source }, progress);
  const python = source.runtime === 'python3' ? interpreterOf(context.python, 'Python') : null;
  const node = source.runtime === 'nodejs' ? interpreterOf(context.node, 'Node') : null;
  const interpreter = python ?? node;
  // A zygote of its own is worth it only for what takes long to import; `zygote: false` has none at all.
  const warm = layer !== null && python !== null && definition.zygote && definition.server === 'framed';
  const used = warm ? usedModules(join(paths.store, layer as string), source.imports) : { modules: [], heavy: false };
  const fn = {
    key,
    definition: { ...definition, source: source.stored },
    digest: '',
    runtime: source.runtime,
    entry: source.entry,
    code: `code/${source.digest}`,
    layers: layer === null ? [] : [layer],
    zygoteModules: used.heavy ? used.modules : [],
    argv: oldAgentArgv(source.runtime, definition.server, source.entry, interpreter?.executable ?? ''),
    tmpMb: definition.tmpMb ?? Math.max(1, Math.floor(definition.memoryMb / 2)),
  };
  // What the source is called on the host decides nothing, what is in it does.
  const { source: _path, labels: _labels, ...rest } = definition;
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

function digestOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
