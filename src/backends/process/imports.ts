import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Which installed packages a Python function really uses: what its source imports, intersected with what its layer holds. A zygote
 * imports exactly these ahead of time; importing more would cost memory and could have effects the user never asked for.
 */

const IMPORT = /^[ \t]*(?:from[ \t]+([A-Za-z_][\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*)|import[ \t]+([^\n#]+))/gm;

/**
 * Dotted names in `import x.y` and `from x import y` statements (`y` as `x.y`: it may be a submodule). A scan, not a parser: a name inside
 * a string costs nothing, since only modules that exist in the layer are imported.
 */
export function scanPythonImports(text: string): string[] {
  const found = new Set<string>();
  for (const match of text.matchAll(IMPORT)) {
    const [, from, names, plain] = match;
    if (from !== undefined) {
      found.add(from);
      for (const name of (names ?? '').replace(/[()\\]/g, ' ').split(',')) {
        const first = name.trim().split(/\s+/)[0] ?? '';
        if (/^[A-Za-z_]\w*$/.test(first)) found.add(`${from}.${first}`);
      }
    } else {
      for (const name of (plain ?? '').split(',')) {
        const first = name.trim().split(/\s+/)[0] ?? '';
        if (/^[A-Za-z_][\w.]*$/.test(first)) found.add(first);
      }
    }
  }
  return [...found].sort();
}

export interface UsedModules {
  /** Dotted modules of the layer that the source imports, sorted, parents before children. */
  readonly modules: string[];
  /** Worth a zygote of their own: compiled code or a lot of it. */
  readonly heavy: boolean;
}

const HEAVY_BYTES = 512 * 1024;

export function usedModules(layer: string, imports: readonly string[]): UsedModules {
  const modules = imports.filter((name) => moduleExists(layer, name)).sort();
  let bytes = 0;
  for (const top of new Set(modules.map((name) => name.split('.')[0] as string))) bytes += codeBytes(layer, top);
  return { modules, heavy: bytes >= HEAVY_BYTES };
}

function moduleExists(layer: string, dotted: string): boolean {
  const path = join(layer, ...dotted.split('.'));
  if (existsSync(`${path}.py`)) return true;
  if (existsSync(path) && statSync(path).isDirectory()) return true;
  const parts = dotted.split('.');
  const folder = join(layer, ...parts.slice(0, -1));
  const last = parts.at(-1) as string;
  return existsSync(folder) && readdirSync(folder).some((name) => name.startsWith(`${last}.`) && name.endsWith('.so'));
}

/** Bytes of code of one top-level module; stops counting once it is clearly heavy. */
function codeBytes(layer: string, top: string): number {
  let bytes = 0;
  const visit = (path: string): void => {
    if (bytes >= HEAVY_BYTES) return;
    const info = statSync(path, { throwIfNoEntry: false });
    if (info === undefined) return;
    if (info.isDirectory()) for (const name of readdirSync(path)) visit(join(path, name));
    else if (/\.(py|so)$|\.so\./.test(path)) bytes += info.size;
  };
  for (const name of readdirSync(layer)) {
    if (name === top || name === `${top}.py` || (name.startsWith(`${top}.`) && name.endsWith('.so')))
      visit(join(layer, name));
  }
  return bytes;
}

/** Top-level packages of a layer, from what pip recorded; for messages and tests. */
export function topLevelNames(layer: string): string[] {
  const found = new Set<string>();
  for (const info of readdirSync(layer).filter((name) => name.endsWith('.dist-info'))) {
    const listed = join(layer, info, 'top_level.txt');
    const record = join(layer, info, 'RECORD');
    if (existsSync(listed)) {
      for (const name of readFileSync(listed, 'utf8').split('\n')) if (name.trim() !== '') found.add(name.trim());
    } else if (existsSync(record)) {
      for (const line of readFileSync(record, 'utf8').split('\n')) {
        const first = /^([A-Za-z_]\w*)(?:\/|\.py,|\.[^/,]*so,)/.exec(line)?.[1];
        if (first !== undefined) found.add(first);
      }
    }
  }
  return [...found].sort();
}
