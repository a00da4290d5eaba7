import { basename, extname } from 'node:path';
import { IluvatarError } from '../../core/errors.js';

/**
 * Finds what to run in a source: runtime and entry point, from file names when the user did not say. A failure lists what was
 * looked for, because the usual cause is one misnamed file.
 */
export interface SourceListing {
  readonly files: readonly { readonly path: string; readonly executable: boolean }[];
  /** Name of the only file, when the source is a file. */
  readonly single: string | null;
  readonly packageJson: string | null;
  read(path: string): Promise<string>;
}

export type Runtime = 'python3' | 'nodejs' | 'binary';

export interface Entry {
  readonly runtime: Runtime;
  readonly entry: string;
}

const PYTHON_FILES = ['main.py', 'handler.py', 'function.py', 'app.py', 'lambda_function.py', '__init__.py'];
const NODE_EXTENSIONS = ['.js', '.mjs', '.cjs'];
const NODE_FILES = ['index', 'main', 'handler', 'app'].flatMap((name) => NODE_EXTENSIONS.map((end) => name + end));
const BINARY_FILES = ['main', 'handler', 'bootstrap', 'function', 'run'];

export async function detectEntry(
  source: SourceListing,
  runtime: Runtime | null,
  entry: string | null,
): Promise<Entry> {
  if (entry !== null) return givenEntry(source, runtime, entry);
  if (source.single !== null) return singleFile(source, runtime, source.single);
  const has = (path: string): boolean => source.files.some((file) => file.path === path);
  const looked: string[] = [];
  if (runtime === null || runtime === 'python3') {
    looked.push(...PYTHON_FILES);
    const file = PYTHON_FILES.find(has) ?? onlyFile(source, ['.py']);
    if (file !== null && file !== undefined) return pythonEntry(source, file);
  }
  if (runtime === null || runtime === 'nodejs') {
    looked.push('package.json "main"', ...NODE_FILES);
    const file = packageMain(source, has) ?? NODE_FILES.find(has) ?? onlyFile(source, NODE_EXTENSIONS);
    if (file !== null && file !== undefined) return { runtime: 'nodejs', entry: `${file}:handler` };
  }
  if (runtime === null || runtime === 'binary') {
    looked.push(...BINARY_FILES.map((name) => `${name} (executable)`));
    const executables = source.files.filter((file) => file.executable);
    const named = executables.find((file) => BINARY_FILES.includes(file.path));
    const file = named ?? (executables.length === 1 ? executables[0] : undefined);
    if (file !== undefined) return { runtime: 'binary', entry: file.path };
  }
  const there = source.files.map((file) => file.path).slice(0, 20);
  throw new IluvatarError(
    'invalid',
    `no entry point found in the source: looked for ${looked.join(', ')}; there is ${there.length === 0 ? 'nothing' : there.join(', ')}. Name it with "entry"`,
  );
}

/** `file:function`, `file.py:function`, `pkg.module:function`, or a file alone. */
function givenEntry(source: SourceListing, runtime: Runtime | null, entry: string): Entry {
  const colon = entry.lastIndexOf(':');
  const file = colon === -1 ? entry : entry.slice(0, colon);
  const has = (path: string): boolean => source.files.some((item) => item.path === path);
  const tried: string[] = [];
  const first = (candidates: string[]): string | undefined => {
    tried.push(...candidates);
    return candidates.find(has);
  };
  if (file === '' || file.startsWith('/') || file.split('/').includes('..')) {
    throw new IluvatarError('invalid', `entry "${entry}" is not a path inside the source`);
  }
  const path = file.replaceAll('.', '/');
  if (runtime === 'python3' || (runtime === null && !NODE_EXTENSIONS.includes(extname(file)))) {
    const found = first([file, `${file}.py`, `${path}.py`, `${path}/__init__.py`]);
    if (found !== undefined && (runtime === 'python3' || found.endsWith('.py'))) return { runtime: 'python3', entry };
  }
  if (runtime === 'nodejs' || runtime === null) {
    const found = first([
      file,
      ...NODE_EXTENSIONS.map((end) => file + end),
      ...NODE_FILES.map((name) => `${file}/${name}`),
    ]);
    if (found !== undefined && NODE_EXTENSIONS.includes(extname(found))) {
      return { runtime: 'nodejs', entry: colon === -1 ? found : `${found}:${entry.slice(colon + 1)}` };
    }
  }
  if (runtime === 'binary' || runtime === null) {
    const found = source.files.find((item) => item.path === entry);
    tried.push(`${entry} (executable)`);
    if (found?.executable) return { runtime: 'binary', entry };
    if (found !== undefined && runtime === 'binary') {
      throw new IluvatarError('invalid', `entry "${entry}" is not executable: chmod +x it`);
    }
  }
  throw new IluvatarError(
    'invalid',
    `entry "${entry}" is not in the source: looked for ${[...new Set(tried)].join(', ')}`,
  );
}

async function singleFile(source: SourceListing, runtime: Runtime | null, name: string): Promise<Entry> {
  const extension = extname(name);
  if (runtime === 'python3' || (runtime === null && extension === '.py')) return pythonEntry(source, name);
  if (runtime === 'nodejs' || (runtime === null && NODE_EXTENSIONS.includes(extension))) {
    return { runtime: 'nodejs', entry: `${name}:handler` };
  }
  if (source.files[0]?.executable) return { runtime: 'binary', entry: name };
  throw new IluvatarError(
    'invalid',
    `"${name}" is neither Python (.py) nor JavaScript (.js, .mjs, .cjs) nor executable: name its "runtime", or chmod +x it`,
  );
}

/** `main` by convention; another function only when it is the one that is there. */
async function pythonEntry(source: SourceListing, file: string): Promise<Entry> {
  const text = await source.read(file);
  const module = file === '__init__.py' ? '__init__' : basename(file, '.py');
  const defined = (name: string): boolean =>
    new RegExp(`^(async\\s+)?def\\s+${name}\\b|^${name}\\s*=|import.*\\b${name}\\b`, 'm').test(text);
  const handler = ['main', 'handler', 'handle', 'lambda_handler'].find(defined) ?? 'main';
  return { runtime: 'python3', entry: `${module}:${handler}` };
}

function packageMain(source: SourceListing, has: (path: string) => boolean): string | null {
  if (source.packageJson === null) return null;
  let main: unknown;
  try {
    main = (JSON.parse(source.packageJson) as { main?: unknown }).main;
  } catch (error) {
    throw new IluvatarError('invalid', `package.json is not JSON: ${(error as Error).message}`);
  }
  if (typeof main !== 'string' || main === '') return null;
  const path = main.replace(/^\.\//, '').replace(/\/$/, '');
  const found = [path, ...NODE_EXTENSIONS.map((end) => path + end), `${path}/index.js`].find(has);
  if (found === undefined)
    throw new IluvatarError('invalid', `package.json names "${main}" as main, which is not there`);
  return found;
}

function onlyFile(source: SourceListing, extensions: readonly string[]): string | null {
  const files = source.files.filter((file) => !file.path.includes('/') && extensions.includes(extname(file.path)));
  return files.length === 1 ? (files[0]?.path ?? null) : null;
}
