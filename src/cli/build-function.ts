import { existsSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LayerInstaller } from '../backends/process/dependencies.js';
import { findNode, findPython } from '../backends/process/interpreter.js';
import { type ImportedSource, importSource } from '../backends/process/source.js';
import { functionDefinitionSchema, RUNTIMES } from '../config/api.js';
import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import { readBase } from '../images/base.js';
import { BlobFolder } from '../images/blobs.js';
import { buildImage, type NewLayer } from '../images/build-image.js';
import { AGENTS_FOLDER, agentLayer, codeLayer, dependenciesLayer, SOCKETS_FOLDER } from '../images/function-layers.js';
import type { BuiltImage } from '../images/image.js';
import { formatPlatform, hostPlatform, matches, parsePlatform } from '../images/platform.js';

/** From a function's source to its image: the process backend finds the entry point and installs the dependencies, `images` packs what comes of it. */

export interface BuildRequest {
  /** Absolute path. */
  readonly source: string;
  readonly name: string;
  readonly version: string;
  readonly runtime: string | null;
  readonly entry: string | null;
  readonly dependencies: boolean;
  /** The program in the base that runs the code; null = by its usual name. */
  readonly interpreter: string | null;
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly user: string;
  readonly base: string;
  /** null = this machine's. */
  readonly platform: string | null;
  readonly compress: boolean;
}

export interface BuiltFunction {
  readonly name: string;
  readonly version: string;
  readonly runtime: string;
  readonly entry: string;
  readonly platform: string;
  readonly image: BuiltImage;
}

type Progress = (line: string) => void;

interface Folders {
  readonly code: string;
  readonly layers: string;
  readonly staging: string;
}

/** The agents' files, beside this folder in `src` as in `dist`. */
const AGENTS = fileURLToPath(new URL('../agents', import.meta.url)).replace(/\/$/, '');
const INTERPRETERS = { python3: 'python3', nodejs: 'node' } as const;

/** The image's own layers stay in `temporary` until it is written or pushed. */
export async function buildFunction(
  request: BuildRequest,
  config: WorkerConfig,
  temporary: string,
  progress: Progress,
): Promise<BuiltFunction> {
  assertNames(request);
  const host = hostPlatform();
  const platform = request.platform === null ? host : parsePlatform(request.platform);
  const folders = await makeFolders(temporary);
  const source = await takeSource(request, config, folders);
  const { runtime, entry, digest } = source;
  progress(`${source.files} files, ${source.bytes} bytes: ${runtime}, ${entry}`);
  const installed = request.dependencies ? await install(source, config, folders, progress) : null;
  const layers: NewLayer[] = [await agent(runtime)];
  if (installed !== null && runtime !== 'binary') {
    const hash = installed.slice('layers/'.length);
    const dependencies = { folder: join(folders.layers, hash), hash, runtime };
    layers.push({ what: 'dependencies', entries: await dependenciesLayer(dependencies, !matches(host, platform)) });
  }
  const assign = {
    function: `${request.name}@${request.version}`,
    runtime,
    code: '/function',
    layers: installed === null ? [] : [`/${installed}`],
    entry,
  };
  const code = join(folders.code, digest);
  layers.push({ what: 'code', entries: await codeLayer(code, runtime === 'binary' ? null : assign) });
  const blobs = new BlobFolder(join(temporary, 'image'));
  const { compress } = request;
  progress(`base ${request.base} for ${formatPlatform(platform)}`);
  const base = await readBase(request.base, { platform, blobs, temporary, compress });
  if (base.layers.length === 0 && runtime !== 'binary') {
    progress(`the base is empty: the image holds no ${INTERPRETERS[runtime]}, and runs only on top of one`);
  }
  const fn = {
    name: request.name,
    version: request.version,
    runtime,
    entry,
    source: digest,
    entrypoint: entrypointOf(source, request.interpreter),
    env: {
      ILUVATAR_AGENTS_SOCKET: `/${SOCKETS_FOLDER}/agents.sock`,
      ILUVATAR_FUNCTION: assign.function,
      ...request.env,
    },
    labels: request.labels,
    user: request.user,
  };
  const image = await buildImage(base, fn, layers, blobs, compress);
  return { name: fn.name, version: fn.version, runtime, entry, platform: formatPlatform(image.platform), image };
}

function assertNames({ name, version, runtime }: BuildRequest): void {
  for (const [what, text] of [
    ['name', name],
    ['version', version],
  ] as const) {
    const parsed = functionDefinitionSchema.shape[what].safeParse(text);
    if (!parsed.success) throw new IluvatarError('invalid', `${what} "${text}": ${parsed.error.issues[0]?.message}`);
  }
  if (runtime !== null && !RUNTIMES.some((known) => known === runtime)) {
    throw new IluvatarError('invalid', `there is no runtime "${runtime}": ${RUNTIMES.join(', ')}`);
  }
}

async function makeFolders(temporary: string): Promise<Folders> {
  const folders = {
    code: join(temporary, 'code'),
    layers: join(temporary, 'layers'),
    staging: join(temporary, 'staging'),
  };
  for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true, mode: 0o700 });
  return folders;
}

async function takeSource(request: BuildRequest, config: WorkerConfig, folders: Folders): Promise<ImportedSource> {
  const { source, dependencies } = request;
  // Node is only looked for where it may have packages to install.
  const packages = dependencies && (statSync(source).isFile() || existsSync(join(source, 'package.json')));
  const node = packages ? (await findNode()).interpreter : null;
  return importSource({
    source,
    code: folders.code,
    staging: folders.staging,
    maxBytes: config.limits.sourceMaxBytes,
    runtime: request.runtime as ImportedSource['runtime'] | null,
    entry: request.entry,
    dependencies,
    nodeAbi: node?.abi ?? null,
  });
}

/** Name of the layer below `temporary`; null = no dependencies. */
async function install(
  source: ImportedSource,
  config: WorkerConfig,
  folders: Folders,
  progress: Progress,
): Promise<string | null> {
  const installer = new LayerInstaller(folders);
  if (source.requirements !== null) {
    const { interpreter, notes } = await findPython(config.sandbox.python);
    if (interpreter === null) throw new IluvatarError('invalid', notes.join('\n'));
    return installer.python(source, interpreter, progress);
  }
  if (source.nodeLayer === null) return null;
  const { interpreter, notes } = await findNode();
  if (interpreter === null) throw new IluvatarError('invalid', notes.join('\n'));
  return installer.node(source, interpreter, progress);
}

async function agent(runtime: ImportedSource['runtime']): Promise<NewLayer> {
  const language = runtime === 'nodejs' ? 'node' : 'python';
  const folder = runtime === 'binary' ? null : join(AGENTS, language);
  return { what: 'agent', entries: await agentLayer(folder, language) };
}

function entrypointOf({ runtime, entry }: ImportedSource, interpreter: string | null): string[] {
  if (runtime === 'binary') return [`/function/${entry}`];
  const program = interpreter ?? INTERPRETERS[runtime];
  if (runtime === 'nodejs') return [program, `/${AGENTS_FOLDER}/node/start.mjs`];
  return [program, '-B', `/${AGENTS_FOLDER}/python/start.py`];
}
