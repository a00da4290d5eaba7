import type { IncomingMessage } from 'node:http';
import { IluvatarError } from '../../core/errors.js';
import { refusePaths } from '../host-paths.js';
import { HttpError } from './problems.js';

/** Reading request bodies of the control plane: bounded, as bytes or JSON, and as a registration in any of its three forms. */

/** More came than is allowed; the rest is still on its way, so the answer must not wait for it. */
export class BodyTooLarge extends IluvatarError {
  constructor(maxBytes: number) {
    super('too_large', `the body is over ${maxBytes} bytes`);
  }
}

/** Rejects with `BodyTooLarge`, or with `cancelled` when the client leaves before the end. */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (settle: () => void): void => {
      request.off('data', data).off('end', end).off('close', closed).off('error', closed);
      settle();
    };
    const data = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > maxBytes) finish(() => reject(new BodyTooLarge(maxBytes)));
      else chunks.push(chunk);
    };
    const end = (): void => finish(() => resolve(Buffer.concat(chunks, size)));
    const closed = (): void =>
      finish(() => reject(new IluvatarError('cancelled', 'the client left before its request was complete')));
    request.on('data', data).on('end', end).on('close', closed).on('error', closed);
  });
}

/** Media type without parameters, in lower case; '' = none. */
export function mediaType(request: IncomingMessage): string {
  const [type = ''] = (request.headers['content-type'] ?? '').split(';');
  return type.trim().toLowerCase();
}

/**
 * The body as a JSON object; an empty one is `{}`. Only `application/json` is taken: a web page can make a browser post other types to a loopback address without
 * asking, but not this one.
 */
export async function readJson(request: IncomingMessage, maxBytes: number): Promise<Record<string, unknown>> {
  const body = await readBody(request, maxBytes);
  if (body.length === 0) return {};
  const type = mediaType(request);
  if (type !== 'application/json') {
    throw new HttpError('invalid', 415, `content-type must be application/json, not "${type}"`);
  }
  return parseObject(body.toString(), 'the body');
}

export function parseObject(text: string, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new IluvatarError('invalid', `${what} is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new IluvatarError('invalid', `${what} must be a JSON object`);
  }
  return value as Record<string, unknown>;
}

export interface Registration {
  definition: Record<string, unknown>;
  archive: Buffer | null;
}

const ARCHIVE_TYPES = ['application/gzip', 'application/x-gzip', 'application/x-tar'];
/** The schema wants a source; with an archive the worker puts the unpacked folder here. */
const UPLOADED = 'upload';

/** `definitionQuery`: the definition beside an archive, when it is not in the header. */
export async function readRegistration(
  request: IncomingMessage,
  maxBytes: number,
  definitionQuery: string | undefined,
  pathsAllowed: boolean,
): Promise<Registration> {
  const type = mediaType(request);
  if (type === 'application/json') {
    const definition = await readJson(request, maxBytes);
    if (!pathsAllowed) refusePaths(definition);
    return { definition, archive: null };
  }
  if (ARCHIVE_TYPES.includes(type)) {
    const header = request.headers['x-iluvatar-definition'];
    const text = typeof header === 'string' ? headerText(header) : definitionQuery;
    const archive = await readBody(request, maxBytes);
    if (text === undefined) {
      throw new IluvatarError('invalid', 'an archive needs its definition in x-iluvatar-definition or ?definition=');
    }
    const definition = parseObject(text, 'the definition');
    if (!pathsAllowed) refusePaths({ ...definition, source: null });
    return withArchive(definition, archive);
  }
  if (type === 'multipart/form-data') return await readForm(request, await readBody(request, maxBytes), pathsAllowed);
  throw new HttpError(
    'invalid',
    415,
    `content-type must be application/json, multipart/form-data, ${ARCHIVE_TYPES.join(', ')}; not "${type}"`,
  );
}

/** `definition`, and `source` as a file; without that it is a whole image, which the definition or the field `image` names. */
async function readForm(request: IncomingMessage, body: Buffer, pathsAllowed: boolean): Promise<Registration> {
  let form: FormData;
  try {
    form = await new Response(body, {
      headers: { 'content-type': request.headers['content-type'] as string },
    }).formData();
  } catch (error) {
    throw new IluvatarError('invalid', `the form cannot be read: ${(error as Error).message}`);
  }
  const [given, source, image] = ['definition', 'source', 'image'].map((name) => form.get(name)) as Field[];
  const needs =
    'the form needs a field "definition" (JSON), and a file "source" (an archive) or a field "image" (a reference)';
  if (given == null || typeof source === 'string' || (image != null && typeof image !== 'string')) {
    throw new IluvatarError('invalid', needs);
  }
  const definition = {
    ...parseObject(typeof given === 'string' ? given : await given.text(), 'the definition'),
    ...(image == null ? {} : { image }),
  };
  if (!pathsAllowed) refusePaths(source == null ? definition : { ...definition, source: null });
  if (source != null) return withArchive(definition, Buffer.from(await source.arrayBuffer()));
  if (typeof (definition as { image?: unknown }).image !== 'string') throw new IluvatarError('invalid', needs);
  return { definition, archive: null };
}

type Field = ReturnType<FormData['get']> | undefined;

function withArchive(definition: Record<string, unknown>, archive: Buffer): Registration {
  if (archive.length === 0) throw new IluvatarError('invalid', 'the archive is empty');
  return { definition: { ...definition, source: UPLOADED }, archive };
}

/** Header bytes arrive as latin1; people write UTF-8. */
function headerText(header: string): string {
  return Buffer.from(header, 'latin1').toString('utf8');
}
