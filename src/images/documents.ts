import * as z from 'zod';
import { invalid } from './failure.js';

/** The JSON documents of image-spec 1.1 and Docker's of the same meaning: what is read from others is checked here, once. */

export const MEDIA = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
} as const;

/** Docker's names of layers, and what the same bytes are called in an OCI manifest. */
const LAYER_TYPES: Readonly<Record<string, string>> = {
  [MEDIA.layer]: MEDIA.layer,
  [MEDIA.layerGzip]: MEDIA.layerGzip,
  [MEDIA.layerZstd]: MEDIA.layerZstd,
  'application/vnd.docker.image.rootfs.diff.tar': MEDIA.layer,
  'application/vnd.docker.image.rootfs.diff.tar.gzip': MEDIA.layerGzip,
  'application/vnd.docker.image.rootfs.diff.tar.zstd': MEDIA.layerZstd,
};

export const digestText = z.string().regex(/^sha256:[a-f0-9]{64}$/, 'must be sha256: and 64 hexadecimal digits');
const annotations = z.record(z.string(), z.string()).optional();

const platformSchema = z.looseObject({
  architecture: z.string(),
  os: z.string(),
  variant: z.string().optional(),
});

const descriptorSchema = z.looseObject({
  mediaType: z.string().default(''),
  digest: digestText,
  size: z.number().int().min(0),
  platform: platformSchema.optional(),
  annotations,
});

const manifestSchema = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: descriptorSchema,
  layers: z.array(descriptorSchema),
  annotations,
});

const indexSchema = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  manifests: z.array(descriptorSchema),
  annotations,
});

const texts = z.array(z.string()).nullish();

const configSchema = z.looseObject({
  architecture: z.string(),
  os: z.string(),
  variant: z.string().optional(),
  created: z.string().optional(),
  config: z
    .looseObject({
      Env: texts,
      Entrypoint: texts,
      Cmd: texts,
      Labels: z.record(z.string(), z.string()).nullish(),
      User: z.string().nullish(),
      WorkingDir: z.string().nullish(),
    })
    .nullish(),
  rootfs: z.looseObject({ type: z.literal('layers'), diff_ids: z.array(digestText).nullable() }),
  history: z.array(z.looseObject({ empty_layer: z.boolean().optional() })).nullish(),
});

export type Descriptor = z.infer<typeof descriptorSchema>;
export type Manifest = z.infer<typeof manifestSchema>;
export type Index = z.infer<typeof indexSchema>;
export type ImageConfig = z.infer<typeof configSchema>;

/** Largest document that is read: the limit registries agree on. */
export const DOCUMENT_LIMIT = 4 * 1024 * 1024;

export const parseManifest = (bytes: Uint8Array, where: string): Manifest =>
  parseDocument(manifestSchema, bytes, where);
export const parseIndex = (bytes: Uint8Array, where: string): Index => parseDocument(indexSchema, bytes, where);
export const parseConfig = (bytes: Uint8Array, where: string): ImageConfig => parseDocument(configSchema, bytes, where);

/** What a document without a trusted media type is: an index lists manifests, a manifest has layers. */
export function isIndex(bytes: Uint8Array, where: string): boolean {
  const document = json(bytes, where) as { manifests?: unknown; fsLayers?: unknown; schemaVersion?: unknown } | null;
  if (document?.schemaVersion === 1 || document?.fsLayers !== undefined) {
    throw invalid(`${where} is of Docker's first schema, which nothing makes any more: pull and push it anew`);
  }
  return Array.isArray(document?.manifests);
}

/** The media type of a layer in our manifest. Throws `invalid` for layers whose bytes are not at hand or not understood. */
export function layerType(mediaType: string, where: string): string {
  const known = LAYER_TYPES[mediaType];
  if (known === undefined) throw invalid(`${where} has a layer of type "${mediaType}", which cannot be built upon`);
  return known;
}

/** The one way in which a document of ours becomes bytes. */
export function documentBytes(document: unknown): Buffer {
  return Buffer.from(JSON.stringify(document));
}

/** A document of this shape; `invalid`, naming `where` and the first field that is wrong, for anything else. */
export function parseDocument<Schema extends z.ZodType>(
  schema: Schema,
  bytes: Uint8Array,
  where: string,
): z.infer<Schema> {
  const parsed = schema.safeParse(json(bytes, where));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(`${where} is malformed: ${issue?.path.join('.') || 'the document'}: ${issue?.message}`);
}

function json(bytes: Uint8Array, where: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch (error) {
    throw invalid(`${where} is not JSON: ${(error as Error).message}`);
  }
}
