import type { FunctionDefinition } from '../../config/api.js';
import { type BaseOptions, readBase } from '../../images/base.js';
import type { BlobFolder } from '../../images/blobs.js';
import { buildImage, type NewLayer } from '../../images/build-image.js';
import {
  AGENTS_FOLDER,
  agentLayer,
  codeLayer,
  dependenciesLayer,
  SOCKETS_FOLDER,
} from '../../images/function-layers.js';
import type { BaseImage, BuiltImage } from '../../images/image.js';
import { emptyConfig } from '../../images/image-config.js';
import { hostPlatform, matches, type Platform } from '../../images/platform.js';
import { parseReference } from '../../images/references.js';
import { pullBase } from '../../images/registry-client.js';
import { oldAgentArgv } from '../agent/old-agent.js';
import { AGENTS } from '../process/runtimes.js';
import type { ImportedSource } from '../process/source.js';
import type { Bind } from './function.js';
import { emptySystem, hostSystem } from './host-system.js';

/** From imported source and installed dependencies to an image: `iluvatar build`, and every registration for a container engine. Plain data: it crosses threads. */
export interface SourceImageRequest {
  readonly name: string;
  readonly version: string;
  readonly source: Pick<ImportedSource, 'runtime' | 'entry' | 'digest'>;
  /** Folder with the code. */
  readonly code: string;
  /** Folder with the installed packages. */
  readonly dependencies: { readonly folder: string; readonly hash: string } | null;
  readonly server: FunctionDefinition['server'];
  /** As `readOrigin` takes it, or `host`. */
  readonly base: string;
  /** Of the base `host`: absolute paths that containers see beside its system. */
  readonly hostPaths: readonly string[];
  readonly platform: Platform;
  /** The program in the base that runs the code; null = by its usual name. */
  readonly interpreter: string | null;
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly user: string;
  readonly compress: boolean;
}

export interface SourceImage {
  readonly base: BaseImage;
  readonly image: BuiltImage;
  /** What its containers need of the host; empty but for the base `host`. */
  readonly binds: readonly Bind[];
}

export const INTERPRETERS = { python3: 'python3', nodejs: 'node', binary: '' } as const;

/** The image's own layers are stored in `blobs`. */
export async function buildSourceImage(
  request: SourceImageRequest,
  blobs: BlobFolder,
  temporary: string,
): Promise<SourceImage> {
  const { source, platform, dependencies, compress } = request;
  const { runtime, entry, digest } = source;
  const key = `${request.name}@${request.version}`;
  const framed = request.server === 'framed';
  const layers: NewLayer[] = [await agent(request)];
  if (dependencies !== null && runtime !== 'binary') {
    const entries = await dependenciesLayer({ ...dependencies, runtime }, !matches(hostPlatform(), platform));
    layers.push({ what: 'dependencies', entries });
  }
  const packages = dependencies === null ? null : `/layers/${dependencies.hash}`;
  const assign = { function: key, runtime, code: '/function', layers: packages === null ? [] : [packages], entry };
  const told = runtime === 'binary' || !framed ? null : assign;
  layers.push({ what: 'code', entries: await codeLayer(request.code, told) });
  const system = request.base === 'host' ? await hostSystem(request.hostPaths) : null;
  if (system !== null) layers.unshift({ what: 'system', entries: system.entries });
  const base: BaseImage =
    system === null
      ? await readOrigin(request.base, { platform, blobs, temporary, compress })
      : { config: emptyConfig(platform), layers: [], documents: null };
  const fn = {
    name: request.name,
    version: request.version,
    runtime,
    entry,
    source: digest,
    entrypoint: entrypointOf(request),
    env: {
      ...(framed ? { ILUVATAR_AGENTS_SOCKET: `/${SOCKETS_FOLDER}/agents.sock` } : {}),
      ILUVATAR_FUNCTION: key,
      // Our agents find them by themselves.
      ...(!framed && runtime === 'python3' && packages !== null ? { PYTHONPATH: packages } : {}),
      ...request.env,
    },
    labels: request.labels,
    user: request.user,
  };
  return { base, image: await buildImage(base, fn, layers, blobs, compress), binds: system?.binds ?? [] };
}

/** As `readBase`, but a file is named by its absolute path: no folder that happens to stand around takes the place of an image. */
export async function readOrigin(text: string, options: BaseOptions): Promise<BaseImage> {
  if (text.startsWith('/') || text === 'scratch') return readBase(text, options);
  return pullBase(parseReference(text), options.platform);
}

async function agent({ source, server, base }: SourceImageRequest): Promise<NewLayer> {
  const { runtime } = source;
  const language = runtime === 'nodejs' ? 'node' : 'python';
  const folder = runtime === 'binary' || server !== 'framed' ? null : `${AGENTS}/${language}`;
  const around = base === 'scratch' ? emptySystem() : [];
  return { what: 'agent', entries: [...around, ...(await agentLayer(folder, language))] };
}

function entrypointOf({ source, server, interpreter }: SourceImageRequest): string[] {
  const { runtime, entry } = source;
  const program = interpreter ?? INTERPRETERS[runtime];
  const old = oldAgentArgv(runtime, server, entry, program);
  if (old !== null) return old;
  if (runtime === 'nodejs') return [program, `/${AGENTS_FOLDER}/node/start.mjs`];
  return [program, '-B', `/${AGENTS_FOLDER}/python/start.py`];
}
