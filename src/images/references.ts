import { invalid } from './failure.js';

/**
 * References to images, as Docker and the distribution specification read them: `[registry/]path[:tag][@digest]`. A name without a registry is
 * Docker Hub's, and one of a single part lies there in `library/`.
 */
export interface ImageReference {
  /** Host and port, `docker.io` for Docker Hub. */
  readonly registry: string;
  /** `library/debian` */
  readonly repository: string;
  /** null only where a digest is given. */
  readonly tag: string | null;
  /** `sha256:…` */
  readonly digest: string | null;
}

const LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const REGISTRY = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]{1,5})?$`);
const PART = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const REPOSITORY = new RegExp(`^${PART}(?:/${PART})*$`);
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^sha256:[a-f0-9]{64}$/;
const LONGEST_NAME = 255;
const HUB = 'docker.io';

/** Throws `invalid`, saying which part is wrong. */
export function parseReference(text: string): ImageReference {
  const refuse = (why: string): never => {
    throw invalid(`"${text}" is no image reference: ${why}`);
  };
  const at = text.indexOf('@');
  const digest = at < 0 ? null : text.slice(at + 1);
  if (digest !== null && !DIGEST.test(digest)) refuse('after "@" stands sha256: and 64 hexadecimal digits');
  const named = at < 0 ? text : text.slice(0, at);
  // A colon before the last slash belongs to the port.
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const tag = colon < 0 ? null : named.slice(colon + 1);
  if (tag !== null && !TAG.test(tag)) refuse(`"${tag}" is no tag (letters, digits, "_", "." and "-", at most 128)`);
  const name = colon < 0 ? named : named.slice(0, colon);
  if (name === '') refuse('it has no name');
  const [registry, path] = splitRegistry(name);
  if (!REGISTRY.test(registry)) refuse(`"${registry}" is no registry (host or host:port)`);
  if (Number(/:([0-9]+)$/.exec(registry)?.[1] ?? 0) > 65_535) refuse(`"${registry}" has no such port`);
  if (!REPOSITORY.test(path)) refuse(`"${path}" is no repository (lower-case letters, digits, ".", "_", "-" and "/")`);
  const repository = registry === HUB && !path.includes('/') ? `library/${path}` : path;
  if (registry.length + 1 + repository.length > LONGEST_NAME) refuse(`it is longer than ${LONGEST_NAME} characters`);
  return { registry, repository, tag: tag ?? (digest === null ? 'latest' : null), digest };
}

/** The whole name: `docker.io/library/debian:12`. Parsing it gives the same reference. */
export function formatReference({ registry, repository, tag, digest }: ImageReference): string {
  return `${registry}/${repository}${tag === null ? '' : `:${tag}`}${digest === null ? '' : `@${digest}`}`;
}

/** What a registry is asked for: the digest, which decides where there is one, or the tag. */
export function manifestName({ tag, digest }: ImageReference): string {
  return digest ?? tag ?? 'latest';
}

/** A first part is a host only if it looks like one; `foo/bar` is on Docker Hub. */
function splitRegistry(name: string): [registry: string, path: string] {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const host = slash > 0 && (/[.:A-Z]/.test(first) || first === 'localhost');
  if (!host) return [HUB, name];
  return [first === 'index.docker.io' ? HUB : first, name.slice(slash + 1)];
}
