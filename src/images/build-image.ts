import type { BlobFolder } from './blobs.js';
import { MEDIA } from './documents.js';
import { assembleImage, type BaseImage, type BuiltImage, type ImageLayer } from './image.js';
import { type FunctionImage, functionConfig, labelsOf, withLayer } from './image-config.js';
import { type LayerEntry, layerTar } from './layer.js';

/** From a base and a function's layers to an image. */

export interface NewLayer {
  /** For the history: `agent`, `dependencies`, `code`. */
  readonly what: string;
  readonly entries: readonly LayerEntry[];
}

/** Layers are stored in `blobs`, those of the base stay where they are. */
export async function buildImage(
  base: BaseImage,
  fn: FunctionImage,
  added: readonly NewLayer[],
  blobs: BlobFolder,
  compress: boolean,
): Promise<BuiltImage> {
  const layers: ImageLayer[] = [...base.layers];
  let config = functionConfig(base.config, fn);
  for (const { what, entries } of added) {
    const stored = await blobs.putLayer(layerTar(entries), compress);
    config = withLayer(config, stored.diffId, what);
    layers.push({
      blob: await blobs.get(stored.digest),
      mediaType: compress ? MEDIA.layerGzip : MEDIA.layer,
      diffId: stored.diffId,
      from: null,
    });
  }
  return assembleImage(config, layers, labelsOf(fn));
}
