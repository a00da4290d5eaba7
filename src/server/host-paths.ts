import { IluvatarError } from '../core/errors.js';
import { isImagePath } from '../images/image-path.js';

/** Whether callers of an edge may name files of this machine. */

const LOOPBACK = /^(127(\.\d+){3}|::1|localhost)$/i;

/** Whoever reaches a loopback address is on this machine already. */
export function mayNamePaths(address: string): boolean {
  return LOOPBACK.test(address);
}

/** Whoever is elsewhere must not have files of this machine read: neither as source nor as an image. Throws `invalid`. */
export function refusePaths({ source, image, base }: Record<string, unknown>): void {
  const path = [image, base].find((text) => typeof text === 'string' && isImagePath(text));
  if (path === undefined && typeof source !== 'string') return;
  throw new IluvatarError(
    'invalid',
    'a source path, or an image or base by its path, is only taken by a worker that listens on a loopback address; upload an archive, or name the image by a reference',
  );
}
