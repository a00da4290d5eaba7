import { existsSync, readFileSync } from 'node:fs';
import { SourceMap, type SourceMapping } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Where a function was written, for one that is known by its place in a built file: the file's map is beside it. A map is read once, when the first place in its file is asked for. */
export class SourcePlaces {
  readonly #maps = new Map<string, SourceMap | null>();

  /** `line` and `column` from 0. What is given, where there is no map or it says nothing of the place. */
  find(url: string, line: number, column: number): { readonly url: string; readonly line: number } {
    const entry = this.#map(url)?.findEntry(line, column) as Partial<SourceMapping> | undefined;
    if (entry?.originalSource === undefined || entry.originalLine === undefined) return { url, line };
    return { url: new URL(entry.originalSource, url).href, line: entry.originalLine };
  }

  #map(url: string): SourceMap | null {
    let map = this.#maps.get(url);
    if (map === undefined) {
      map = url.startsWith('file:') ? read(`${fileURLToPath(url)}.map`) : null;
      this.#maps.set(url, map);
    }
    return map;
  }
}

function read(file: string): SourceMap | null {
  if (!existsSync(file)) return null;
  try {
    return new SourceMap(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    // One that is not a map helps nobody, and a profile without it is still one.
    return null;
  }
}
