/** From an ASSIGN to a callable: environment, where modules are found, and the entry point in each of its spellings. CommonJS and ES modules alike. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { basename, delimiter, dirname, extname, isAbsolute, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const EXTENSIONS = ['', '.js', '.mjs', '.cjs', '/index.js', '/index.mjs', '/index.cjs'];
/** Where a handler is looked for when the entry does not name another function. */
const USUAL_NAMES = ['handler', 'main', 'default'];
/** What `require` says of an ES module, in the Node versions since 20. */
const NEEDS_IMPORT = new Set(['ERR_REQUIRE_ESM', 'ERR_REQUIRE_ASYNC_MODULE']);

/** A mistake in what was registered, told without a traceback, which would only show our own code. */
export class MissingEntry extends Error {}

/** Environment, working directory and module folders as the function shall find them. Returns the code folder. */
export function prepare(assign, store) {
  Object.assign(process.env, assign.env ?? {});
  const place = (name, fixed) => (isAbsolute(name) ? name : store === '' ? fixed : join(store, name));
  const code = place(assign.code ?? 'function', '/function');
  const folders = (assign.layers ?? []).map((layer) => {
    const folder = place(layer, `/layers/${basename(layer)}`);
    const modules = join(folder, 'node_modules');
    return existsSync(modules) ? modules : folder;
  });
  // For `require`, here and in child processes. ES modules find the first layer as /node_modules, a link that the sandbox makes: their search path
  // cannot be changed from here.
  if (folders.length > 0) {
    process.env.NODE_PATH = [process.env.NODE_PATH, ...folders].filter(Boolean).join(delimiter);
    Module._initPaths();
  }
  process.chdir(code);
  return code;
}

/** The function of `entry`: `file:function` or `folder/file.js:function`; file `index` and function `handler` unless named. */
export async function load(entry, code) {
  const [fileName, functionName] = split(entry ?? '');
  const file = find(code, fileName);
  // What forks this program again (cluster) shall run the user's file, not an agent.
  process.argv[1] = file;
  const loaded = await loadModule(file);
  const handler = pick(loaded, functionName);
  if (typeof handler !== 'function') {
    const names = exportedFunctions(loaded).join(', ') || 'none';
    throw new MissingEntry(
      `module "${basename(file)}" exports no function "${functionName}" (functions there: ${names})`,
    );
  }
  return handler;
}

function split(entry) {
  const colon = entry.lastIndexOf(':');
  if (colon === -1) return [entry || 'index', 'handler'];
  return [entry.slice(0, colon) || 'index', entry.slice(colon + 1) || 'handler'];
}

function find(code, name) {
  for (const extension of EXTENSIONS) {
    const path = join(code, name + extension);
    if (existsSync(path) && statSync(path).isFile()) return path;
  }
  const present = readdirSync(code).slice(0, 10).join(', ') || 'nothing';
  throw new MissingEntry(`there is no file "${name}" (.js, .mjs, .cjs) in the function's code (there: ${present})`);
}

async function loadModule(file) {
  if (!isEsModule(file)) {
    try {
      return createRequire(file)(file); // much quicker than import() of the same file
    } catch (error) {
      if (!NEEDS_IMPORT.has(error?.code) && !isModuleSyntax(error)) throw error;
    }
  }
  return import(pathToFileURL(file).href);
}

function isEsModule(file) {
  const extension = extname(file);
  if (extension === '.mjs') return true;
  if (extension === '.cjs') return false;
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    try {
      return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).type === 'module';
    } catch (error) {
      if (error instanceof SyntaxError) throw new MissingEntry(`package.json is not JSON: ${error.message}`);
    }
    if (folder === dirname(folder)) return false;
  }
}

function isModuleSyntax(error) {
  return (
    error?.name === 'SyntaxError' &&
    /Cannot use import statement|Unexpected token 'export'|import\.meta|await is only valid/.test(error.message)
  );
}

function pick(loaded, name) {
  const candidates = name === 'handler' ? USUAL_NAMES : [name];
  const fallback = loaded?.default;
  for (const candidate of candidates) {
    if (typeof loaded?.[candidate] === 'function') return bind(loaded, candidate);
    if (typeof fallback?.[candidate] === 'function') return bind(fallback, candidate);
  }
  return name === 'handler' && typeof loaded === 'function' ? loaded : undefined;
}

// CommonJS calls `exports.handler()`, with `this`; the namespace of an ES module is no `this`.
function bind(owner, name) {
  return owner[Symbol.toStringTag] === 'Module' ? owner[name] : owner[name].bind(owner);
}

function exportedFunctions(loaded) {
  const names = (value) => Object.keys(value ?? {}).filter((key) => typeof value[key] === 'function');
  return [...new Set([...names(loaded), ...names(loaded?.default)])].slice(0, 10);
}
