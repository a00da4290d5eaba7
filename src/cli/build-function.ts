import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { buildSourceImage, INTERPRETERS } from '../backends/oci/source-image.js';
import { LayerInstaller } from '../backends/process/dependencies.js';
import { findNode, findPython } from '../backends/process/interpreter.js';
import { importSource } from '../backends/process/source.js';
import { type SourceDefinition, takeSource } from '../backends/process/take-source.js';
import { functionDefinitionSchema, RUNTIMES } from '../config/api.js';
import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import { BlobFolder } from '../images/blobs.js';
import type { BuiltImage } from '../images/image.js';
import { formatPlatform, hostPlatform, parsePlatform } from '../images/platform.js';

/** `iluvatar build`: the way of every registration from source to an image, in a folder of its own and on a base that may be for another machine. */

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

/** The image's own layers stay in `temporary` until it is written or pushed. */
export async function buildFunction(
  request: BuildRequest,
  config: WorkerConfig,
  temporary: string,
  progress: Progress,
): Promise<BuiltFunction> {
  assertNames(request);
  if (request.base === 'host') {
    throw new IluvatarError(
      'invalid',
      'the base "host" is this machine\'s system, which a worker shows to the containers that it makes: an image that stands alone needs another',
    );
  }
  const platform = request.platform === null ? hostPlatform() : parsePlatform(request.platform);
  const folders = await makeFolders(temporary);
  const tools = {
    paths: folders,
    layers: new LayerInstaller(folders),
    maxBytes: config.limits.sourceMaxBytes,
    importSource,
    python: () => findPython(config.sandbox.python),
    node: () => findNode(),
  };
  const definition = { ...request, runtime: request.runtime as SourceDefinition['runtime'] };
  const { source, layer } = await takeSource(tools, definition, progress);
  const hash = layer?.slice('layers/'.length) ?? null;
  progress(`base ${request.base} for ${formatPlatform(platform)}`);
  const { base, image } = await buildSourceImage(
    {
      name: request.name,
      version: request.version,
      source,
      code: join(folders.code, source.digest),
      dependencies: hash === null ? null : { folder: join(folders.layers, hash), hash },
      server: 'framed',
      base: baseOf(request.base),
      hostPaths: [],
      platform,
      interpreter: request.interpreter,
      env: request.env,
      labels: request.labels,
      user: request.user,
      compress: request.compress,
    },
    new BlobFolder(join(temporary, 'image')),
    temporary,
  );
  const { runtime, entry } = source;
  if (base.layers.length === 0 && runtime !== 'binary') {
    progress(`the base is empty: the image holds no ${INTERPRETERS[runtime]}, and runs only on top of one`);
  }
  const { name, version } = request;
  return { name, version, runtime, entry, platform: formatPlatform(image.platform), image };
}

/** Here a path may be relative: what exists as a file is that file. */
function baseOf(text: string): string {
  const file = text !== 'scratch' && (/^[./~]/.test(text) || existsSync(text));
  return file ? resolve(text) : text;
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

async function makeFolders(temporary: string): Promise<{ code: string; layers: string; staging: string }> {
  const folders = {
    code: join(temporary, 'code'),
    layers: join(temporary, 'layers'),
    staging: join(temporary, 'staging'),
  };
  for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true, mode: 0o700 });
  return folders;
}
