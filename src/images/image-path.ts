import { resolve } from 'node:path';

/**
 * Images are named by a reference or by a path, and a path is what begins with `/`, `./` or `../`: no folder that happens to stand around takes the place of an
 * image. Relative ones are the caller's own, whose folder the worker does not know.
 */
export function isImagePath(text: string): boolean {
  return /^\.{0,2}\//.test(text);
}

/** The path from the current folder, or the reference as it is. */
export function absoluteImage(text: string): string {
  return isImagePath(text) ? resolve(text) : text;
}
