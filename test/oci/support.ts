import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { type FunctionImageContext, prepareFunctionImage } from '../../src/backends/oci/function-image.js';
import { ImageStore } from '../../src/backends/oci/image-store.js';
import { LayerInstaller } from '../../src/backends/process/dependencies.js';
import { findNode, findPython } from '../../src/backends/process/interpreter.js';
import {
  type FunctionDefinition,
  type FunctionDefinitionInput,
  functionDefinitionSchema,
} from '../../src/config/api.js';
import { parseConfig } from '../../src/config/load.js';
import { bytesBlob, digestOf } from '../../src/images/blobs.js';
import { type ImageConfig, MEDIA } from '../../src/images/documents.js';
import { assembleImage, type BuiltImage } from '../../src/images/image.js';
import { emptyConfig, withLayer } from '../../src/images/image-config.js';
import { type LayerEntry, layerTar } from '../../src/images/layer.js';
import { hostPlatform } from '../../src/images/platform.js';
import { LifecyclePool } from '../../src/worker/lifecycle/pool.js';
import { bytesOf, readTar } from '../images/support.js';

/** What suites about functions' images need: a store in a temporary folder, and images with any configuration. */

export interface Registrar extends FunctionImageContext {
  readonly folder: string;
  close(): Promise<void>;
}

export async function registrar(
  folder: string,
  options: { threads?: boolean; config?: object } = {},
): Promise<Registrar> {
  const paths = { code: join(folder, 'code'), layers: join(folder, 'layers'), staging: join(folder, 'staging') };
  for (const path of Object.values(paths)) await mkdir(path, { recursive: true });
  const lifecycle = new LifecyclePool({ threads: options.threads ?? false, size: 1 });
  const config = parseConfig(options.config ?? {});
  return {
    folder,
    config,
    paths,
    layers: new LayerInstaller(paths),
    lifecycle,
    store: new ImageStore({ dataDir: folder, staging: paths.staging, owner: 'test', lifecycle }),
    python: () => findPython(config.sandbox.python),
    node: () => findNode(),
    close: () => lifecycle.close(),
  };
}

export function definition(input: Partial<FunctionDefinitionInput>): FunctionDefinition {
  return functionDefinitionSchema.parse({ name: 'hello', ...input });
}

export const prepare = (context: FunctionImageContext, input: Partial<FunctionDefinitionInput>) =>
  prepareFunctionImage(context, definition(input), () => undefined);

export type ProcessConfig = NonNullable<ImageConfig['config']>;

/** An image of these layers; `config` is its process part. */
export async function imageOf(
  config: ProcessConfig,
  layers: readonly (readonly LayerEntry[])[],
  gzip = false,
): Promise<BuiltImage> {
  let whole: ImageConfig = { ...emptyConfig(hostPlatform()), config };
  const stored = [];
  for (const entries of layers) {
    const tar = await bytesOf(layerTar(entries));
    const blob = bytesBlob(gzip ? gzipSync(tar) : tar);
    whole = withLayer(whole, digestOf(tar), 'test');
    stored.push({ blob, mediaType: gzip ? MEDIA.layerGzip : MEDIA.layer, diffId: digestOf(tar), from: null });
  }
  return assembleImage(whole, stored, {});
}

/** Everything in all layers, lowest first, by path. */
export async function contentOf(
  image: BuiltImage,
): Promise<Map<string, { type: string; mode: number; text: string; link: string }>> {
  const found = new Map<string, { type: string; mode: number; text: string; link: string }>();
  for (const { blob, mediaType } of image.layers) {
    const bytes = await bytesOf(blob.open());
    for (const { header, content } of await readTar(mediaType === MEDIA.layerGzip ? gunzipSync(bytes) : bytes)) {
      const { name, type = '', mode = 0, linkname } = header;
      found.set(name.replace(/\/$/, ''), {
        type: type ?? '',
        mode: mode & 0o7777,
        text: content.toString(),
        link: linkname ?? '',
      });
    }
  }
  return found;
}
