import { invalid } from './failure.js';
import { type LayerEntry, textFile } from './layer.js';
import { treeEntries } from './tree.js';

/** The layers that make a function of a base: the agent, the dependencies, the code. */

/** Where things lie in an image; docs/images.md says it to users. */
export const AGENTS_FOLDER = 'iluvatar/agents';
export const ASSIGN_FILE = 'iluvatar/assign.json';
export const SOCKETS_FOLDER = 'iluvatar/sockets';
/** Where a worker puts its own first process, over an empty file: nothing can be put where nothing is, once the root is read-only. */
export const INIT_FILE = 'iluvatar/init';
export const CODE_FOLDER = 'function';
export const LAYERS_FOLDER = 'layers';

/** Only for warm interpreters on a worker's own machine. */
const HOST_ONLY = new Set(['zygote.py', 'cell_library.py']);
const COMPILED_PYTHON = '__pycache__';
/** npm's notes about where packages came from, which differ from machine to machine. */
const NPM_NOTES = '.package-lock.json';
const COMPILED = /\.(so(\.\d+)*|node)$/;

/** The agent of one runtime, from the folder `agents/<language>`, and the places for the worker's socket and first process; null = the code is its own agent. */
export async function agentLayer(folder: string | null, language: 'python' | 'node'): Promise<LayerEntry[]> {
  const places: LayerEntry[] = [{ path: SOCKETS_FOLDER, mode: 0o755, type: 'folder' }, textFile(INIT_FILE, '')];
  if (folder === null) return places;
  const prefix = `${AGENTS_FOLDER}/${language}`;
  const skip = (name: string): boolean => HOST_ONLY.has(name) || name === COMPILED_PYTHON;
  return [...(await treeEntries(folder, { prefix, kind: 'source', skip })), ...places];
}

export interface Dependencies {
  /** The installed folder. */
  readonly folder: string;
  readonly hash: string;
  readonly runtime: 'python3' | 'nodejs';
}

/**
 * The installed packages, where a sandbox has them too. Compiled Python stays out, since no two compilations are equal byte for byte. `foreign`: the image is
 * for another machine than this one, on which packages with machine code would not run.
 */
export async function dependenciesLayer(
  { folder, hash, runtime }: Dependencies,
  foreign: boolean,
): Promise<LayerEntry[]> {
  const prefix = `${LAYERS_FOLDER}/${hash}`;
  const skip = (name: string): boolean => name === COMPILED_PYTHON || name === NPM_NOTES;
  const entries = await treeEntries(folder, { prefix, kind: 'source', skip });
  const compiled = entries.find((entry) => entry.type === 'file' && COMPILED.test(entry.path));
  if (foreign && compiled !== undefined) {
    const file = compiled.path.slice(prefix.length + 1);
    throw invalid(`the dependencies hold machine code of this machine (${file}): build on one of the image's platform`);
  }
  const links: LayerEntry[] = [{ path: `${LAYERS_FOLDER}/0`, mode: 0o777, type: 'symlink', target: hash }];
  if (runtime === 'nodejs') {
    links.push({ path: 'node_modules', mode: 0o777, type: 'symlink', target: `${LAYERS_FOLDER}/0/node_modules` });
  }
  return [...entries, ...links];
}

/** The code, in place of whatever the base has there, and what its agent is to be told of it. */
export async function codeLayer(
  folder: string,
  assign: Readonly<Record<string, unknown>> | null,
): Promise<LayerEntry[]> {
  const entries = await treeEntries(folder, { prefix: CODE_FOLDER, kind: 'source' });
  const told = assign === null ? [] : [textFile(ASSIGN_FILE, `${JSON.stringify(assign)}\n`)];
  return [...entries, { path: CODE_FOLDER, mode: 0o755, type: 'opaque' }, ...told];
}
