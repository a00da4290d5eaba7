import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { FunctionDefinition } from '../../config/api.js';
import type { WorkerConfig } from '../../config/schema.js';
import { functionKey } from '../../core/function.js';
import { type ImageConfig, parseConfig } from '../../images/documents.js';
import { type ImageUser, imageUser } from '../../images/image-user.js';
import { hostPlatform } from '../../images/platform.js';
import { formatReference, parseReference } from '../../images/references.js';
import { assertServer } from '../agent/old-agent.js';
import type { Lifecycle } from '../lifecycle.js';
import type { LayerInstaller } from '../process/dependencies.js';
import type { FoundInterpreter, Interpreter } from '../process/interpreter.js';
import type { BackendPaths } from '../process/paths.js';
import type { ImportRequest } from '../process/source.js';
import { interpreterOf, type TakenSource, takeSource } from '../process/take-source.js';
import type { FoundImage, NamedImage } from './engine.js';
import type { Bind, OciFunction } from './function.js';
import { HOST_NETWORK_FILES } from './host-system.js';
import { assertSpeaks, processOf, runtimeLabel } from './image-process.js';
import type { ImageStore } from './image-store.js';
import type { StoredImage } from './image-tasks.js';
import type { SourceImageRequest } from './source-image.js';

/** Registration for a container engine: from a function's definition to its image, and what runs in a container of it. */
export interface FunctionImageContext {
  readonly config: Pick<WorkerConfig, 'images' | 'sandbox' | 'limits' | 'transport'>;
  readonly paths: Pick<BackendPaths, 'code' | 'layers' | 'staging'>;
  readonly layers: LayerInstaller;
  readonly lifecycle: Lifecycle;
  readonly store: ImageStore;
  /** Asked only where one is needed. */
  python(): Promise<FoundInterpreter>;
  node(): Promise<FoundInterpreter>;
}

/** Beside the engine's handle of the image, all that an `OciFunction` is made of. */
export interface FunctionPlan extends Omit<OciFunction, 'image'> {
  /** As found in the source; of an image what it is started with. */
  readonly entry: string;
  /** For `ILUVATAR_ASSIGN`: what the image's own assign.json does not know. Empty for agents that are not ours. */
  readonly assign: Readonly<Record<string, unknown>>;
}

export interface FunctionImagePlan extends FunctionPlan {
  readonly named: NamedImage;
}

type Progress = (line: string) => void;

/** Name that an engine may know the function's `image` by; null = the function has source, or its image is a file of this machine. */
export function imageReference({ image }: FunctionDefinition): string | null {
  return image === null || image.startsWith('/') ? null : formatReference(parseReference(image));
}

/** Everything slow happens here, most of it off the shard. Whoever registers it calls `store.release` with it when it is gone. Rejects with an IluvatarError. */
export async function prepareFunctionImage(
  context: FunctionImageContext,
  definition: FunctionDefinition,
  progress: Progress,
): Promise<FunctionImagePlan> {
  assertServer(definition);
  const plan = await (definition.source === null
    ? fromImage(context, definition, progress)
    : fromSource(context, definition, definition.source, progress));
  await context.store.use(plan, plan.named.image);
  return plan;
}

/** The plan of a function whose image need not be read, since the engine has it. */
export async function planFoundImage(
  context: Pick<FunctionImageContext, 'config'>,
  definition: FunctionDefinition,
  { config, digest, layers }: Omit<FoundImage<unknown>, 'image'>,
): Promise<FunctionPlan> {
  assertServer(definition);
  const user = await imageUser(config.config?.User ?? '', layers ?? []);
  return imagePlan(context, definition, config, digest, user);
}

async function fromSource(
  context: FunctionImageContext,
  definition: FunctionDefinition,
  path: string,
  progress: Progress,
): Promise<FunctionImagePlan> {
  const { paths, config } = context;
  const tools = {
    paths,
    layers: context.layers,
    maxBytes: config.limits.sourceMaxBytes,
    importSource: (request: ImportRequest) => context.lifecycle.run('importSource', request),
    python: context.python,
    node: context.node,
  };
  const taken = await takeSource(tools, { ...definition, source: path }, progress);
  const base = definition.base ?? config.images.base;
  const interpreter = base === 'host' ? await hostInterpreter(context, taken) : null;
  const { image, binds } = await context.store.build(requestOf(context, definition, taken, base, interpreter));
  const named = namedImage(context, definition, image, null);
  progress(`image ${named.reference}`);
  const { uid } = config.images;
  const { source } = taken;
  // What the source is called on the host decides nothing, what is in it does.
  const { source: _path, labels: _labels, ...rest } = definition;
  return {
    ...shapeOf(context, { ...definition, source: source.stored }, [
      rest,
      named.image.manifest.digest,
      interpreter?.version,
      interpreter?.abi,
      binds,
    ]),
    named,
    runtime: source.runtime,
    entry: source.entry,
    process: processOf(named.config, null, { uid, gid: uid, groups: [] }),
    binds: [...binds, ...(base === 'host' ? networkFiles(definition) : [])],
    readOnlyRoot: definition.readOnlyRoot ?? true,
  };
}

function requestOf(
  { paths, config }: FunctionImageContext,
  definition: FunctionDefinition,
  { source, layer }: TakenSource,
  base: string,
  interpreter: Interpreter | null,
): SourceImageRequest {
  const hash = layer?.slice('layers/'.length) ?? null;
  const { runtime, entry, digest } = source;
  return {
    name: definition.name,
    version: definition.version,
    source: { runtime, entry, digest },
    code: join(paths.code, digest),
    dependencies: hash === null ? null : { folder: join(paths.layers, hash), hash },
    server: definition.server,
    base,
    hostPaths: [...config.sandbox.readOnlyPaths, ...(interpreter?.paths ?? [])],
    platform: hostPlatform(),
    interpreter: interpreter?.executable ?? null,
    env: {},
    labels: {},
    user: `${config.images.uid}:${config.images.uid}`,
    compress: false,
  };
}

/** null = the code is its own program. */
async function hostInterpreter(context: FunctionImageContext, { source }: TakenSource): Promise<Interpreter | null> {
  if (source.runtime === 'python3') return interpreterOf(await context.python(), 'Python');
  if (source.runtime === 'nodejs') return interpreterOf(await context.node(), 'Node');
  return null;
}

/** Whom to ask for names: only the host knows. */
function networkFiles({ network }: FunctionDefinition): Bind[] {
  if (network !== 'host') return [];
  return HOST_NETWORK_FILES.flatMap((target) => {
    try {
      // Often a link to where a resolver keeps it.
      return [{ source: realpathSync(target), target }];
    } catch {
      return [];
    }
  });
}

async function fromImage(
  context: FunctionImageContext,
  definition: FunctionDefinition,
  progress: Progress,
): Promise<FunctionImagePlan> {
  const text = definition.image as string;
  progress(`reading the image ${text}`);
  const { folders } = context.store;
  const { image, user } = await context.lifecycle.run('readFunctionImage', { folders, text });
  const named = namedImage(context, definition, image, imageReference(definition));
  return { ...imagePlan(context, definition, named.config, named.image.manifest.digest, user), named };
}

function imagePlan(
  context: Pick<FunctionImageContext, 'config'>,
  definition: FunctionDefinition,
  config: ImageConfig,
  digest: string,
  user: ImageUser,
): FunctionPlan {
  assertSpeaks(definition, config);
  const process = processOf(config, definition.command, user);
  const { image: _image, labels: _labels, ...rest } = definition;
  return {
    ...shapeOf(context, definition, [rest, digest]),
    runtime: runtimeLabel(config) ?? definition.runtime ?? 'image',
    entry: config.config?.Labels?.['dev.iluvatar.entry'] ?? process.argv.join(' '),
    process,
    binds: [],
    readOnlyRoot: definition.readOnlyRoot ?? false,
  };
}

/** What does not depend on where the image comes from. */
function shapeOf(
  { config }: Pick<FunctionImageContext, 'config'>,
  definition: FunctionDefinition,
  parts: readonly unknown[],
): Pick<FunctionPlan, 'key' | 'definition' | 'digest' | 'tmpMb' | 'assign'> {
  const { name, version, server, concurrency, tmpMb, memoryMb } = definition;
  const assign = {
    maxBody: config.transport.maxBodyBytes,
    outputBytes: config.sandbox.outputBytes,
    concurrency,
  };
  return {
    key: functionKey(name, version),
    definition,
    digest: createHash('sha256').update(JSON.stringify(parts)).digest('hex'),
    tmpMb: tmpMb ?? Math.max(1, Math.floor(memoryMb / 2)),
    assign: server === 'framed' ? assign : {},
  };
}

/** `reference`: under which people know it; null = a name of ours, which nobody else's image can have. */
function namedImage(
  { store }: FunctionImageContext,
  { name, version }: FunctionDefinition,
  stored: StoredImage,
  reference: string | null,
): NamedImage {
  const image = store.open(stored);
  const hash = image.manifest.digest.slice('sha256:'.length, 'sha256:'.length + 12);
  return {
    reference: reference ?? `iluvatar.local/${repositoryOf(name)}:${version.slice(0, 100)}-${hash}`,
    image,
    config: parseConfig(stored.config, 'the configuration of the image'),
  };
}

/** A function's name as a repository may be called; the hash in the tag tells apart what becomes equal. */
function repositoryOf(name: string): string {
  const parts = name.toLowerCase().split(/[._-]+/);
  return parts.filter((part) => part !== '').join('-');
}
