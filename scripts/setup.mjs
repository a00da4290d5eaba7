import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lock } from './lock.mjs';
import { filesBelow, root, run, tool, which } from './run.mjs';
import { SetupError } from './setup-error.mjs';
import { installPackages, missingPackages } from './system-packages.mjs';

/**
 * Makes a clone ready to run: node modules, the addon, the TypeScript build. Does only what is missing or out of date, which it tells by comparing
 * content, so that the second time costs milliseconds. Two runs at once take turns.
 */

const stamps = join(root, '.iluvatar', 'setup');

/** `only` = one of `modules`, `addon`, `typescript`, `bundles` (what of the latter is run); everything when absent. `tests` adds what only the tests need; without `declarations` nothing is type-checked, which nothing that runs needs. Throws SetupError. */
export async function setup({ tests = false, only = null, declarations = only !== 'bundles' } = {}) {
  requireNode();
  const waiting = () => process.stderr.write('setup: waiting for another run of it\n');
  const release = await lock(`setup ${root}`, { limitMs: 600_000, waiting });
  if (release === null) throw new SetupError('setup: another run of it has not finished in ten minutes');
  try {
    await nodeModules();
    if (only === null || only === 'addon') await addon();
    if (only === null || only === 'typescript' || only === 'bundles') {
      await protocols();
      await typescript({ declarations });
    }
    if (tests) await installPackages('tests', { required: false });
  } finally {
    release();
  }
}

function requireNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) throw new SetupError(`Node ${process.versions.node} is too old: 20 or newer is needed`);
  if (process.platform !== 'linux')
    throw new SetupError('this runs on Linux only: it stands on namespaces and cgroups');
}

/** Compares what is installed (npm writes node_modules/.package-lock.json last) with the lock file. */
async function nodeModules() {
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  let installed = {};
  try {
    installed = JSON.parse(readFileSync(join(root, 'node_modules', '.package-lock.json'), 'utf8')).packages;
  } catch {
    // Nothing installed, or an installation that was cut off.
  }
  // Of the optional ones only our own: those of others are for other machines, for the most part, and never there.
  const ours = new Set(Object.keys(wanted[''].optionalDependencies ?? {}).map((name) => `node_modules/${name}`));
  const missing = Object.keys(wanted).some(
    (name) =>
      name !== '' &&
      (wanted[name].optional !== true || ours.has(name)) &&
      installed[name]?.version !== wanted[name].version,
  );
  if (!missing) return;
  await step('node modules', async () => {
    // Started by npm, `npm_execpath` is the very npm that runs us; else the one on PATH.
    const script = process.env.npm_execpath;
    const viaNode = script !== undefined && /\.c?js$/.test(script) && existsSync(script);
    if (!viaNode && which('npm') === null) throw new SetupError('npm is not on PATH: install it with Node');
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--include=dev'];
    return run(viaNode ? process.execPath : 'npm', viaNode ? [script, ...args] : args);
  });
}

/** What the build of the addon makes. */
export const OUTPUTS = [
  'iluvatar.node',
  'iluvatar-init',
  'iluvatar-keeper',
  'iluvatar-launcher',
  'iluvatar-lookbusy',
  'iluvatar-supervisor',
  'containerd-shim-iluvatar-v1',
  'libiluvatar_cell.so',
];

/** Changes when anything does that the addon is made of. */
export function addonKey(toolchain) {
  const folders = ['native', 'functions/lookbusy', 'src/agents/binary'].map((name) => join(root, name));
  const sources = folders
    .flatMap((folder) => filesBelow(folder, ['.h', '.c', '.cc']))
    .filter((file) => !file.endsWith('_test.cc'));
  return hash([toolchain, ...contents([...sources, join(root, 'binding.gyp')])]);
}

async function addon() {
  const toolchain = `${process.version} ${process.arch}`;
  const key = addonKey(toolchain);
  const built = OUTPUTS.every((name) => existsSync(join(root, 'build', 'Release', name)));
  const last = readStamp('addon');
  if (built && last === `${toolchain}\n${key}`) return;
  await installPackages('addon', { required: true });
  const fresh = last?.split('\n')[0] !== toolchain || !existsSync(join(root, 'build', 'Makefile'));
  await step('native addon', () =>
    run(tool('node-gyp'), [...(fresh ? ['rebuild'] : ['configure', 'build']), '--jobs', 'max'], { env: nodeHeaders() }),
  );
  for (const name of OUTPUTS) {
    if (!existsSync(join(root, 'build', 'Release', name)))
      throw new SetupError(`the build made no build/Release/${name}`);
  }
  writeStamp('addon', `${toolchain}\n${key}`);
}

/** Headers that came with this Node; without them node-gyp fetches some from the network, which many machines do not reach. */
export function nodeHeaders() {
  if (process.env.npm_config_nodedir !== undefined) return {};
  for (const prefix of [dirname(dirname(process.execPath)), '/usr', '/usr/local']) {
    if (existsSync(join(prefix, 'include', 'node', 'node_api.h'))) return { npm_config_nodedir: prefix };
  }
  return {};
}

/** TypeScript for the protocol buffers in src/rpc: types and codecs, and the descriptors that reflection tells; not kept in the repository. */
async function protocols() {
  const folder = join(root, 'src', 'rpc');
  const sources = filesBelow(folder, ['.proto', '.yaml']);
  const key = hash(contents([...sources, join(root, 'package-lock.json')]));
  if (existsSync(join(folder, 'gen')) && readStamp('protocols') === key) return;
  rmSync(join(folder, 'gen'), { recursive: true, force: true });
  const path = `${join(root, 'node_modules', '.bin')}:${process.env.PATH}`;
  await step('protocol buffers', () =>
    run(tool('buf'), ['generate', '--template', 'buf.gen.yaml'], { cwd: folder, env: { PATH: path } }),
  );
  await step('descriptors', () => describeServices(folder, path));
  writeStamp('protocols', key);
}

/** What a worker serves over gRPC. A module and no file of its own: it is then wherever the code is. */
async function describeServices(folder, path) {
  const file = join(folder, 'gen', 'services.binpb');
  const served = ['--path', 'iluvatar/iluvatar_rpc.proto', '--path', 'standard/grpc'];
  const build = ['build', '--as-file-descriptor-set', '--exclude-source-info', ...served, '-o', file];
  const result = await run(tool('buf'), build, { cwd: folder, env: { PATH: path } });
  if (result.code !== 0) return result;
  const text = readFileSync(file).toString('base64');
  const doc = '/** FileDescriptorSet of the services that are served, base64. */';
  writeFileSync(join(folder, 'gen', 'services.ts'), `${doc}\nexport const SERVICES = '${text}';\n`);
  rmSync(file);
  return result;
}

/** Bundles, and unless they are all that is asked for the declarations beside them, which take ten times as long. */
async function typescript({ declarations }) {
  const sources = filesBelow(join(root, 'src'), ['']);
  const how = ['tsconfig.json', 'package-lock.json', 'scripts/bundle.mjs', 'scripts/entry-points.mjs'];
  const key = hash(contents([...sources, ...how.map((name) => join(root, name))]));
  const dist = join(root, 'dist');
  const bundled = existsSync(join(dist, 'index.js')) && readStamp('bundles') === key;
  const declared = existsSync(join(dist, 'index.d.ts')) && readStamp('typescript') === key;
  if (bundled && (declared || !declarations)) return;
  // Built aside and renamed: a worker that starts meanwhile sees the old build or the new one, never half of either.
  const fresh = join(root, '.iluvatar', 'dist-new');
  const old = join(root, '.iluvatar', 'dist-old');
  rmSync(fresh, { recursive: true, force: true });
  if (declarations) {
    await step('TypeScript', () => run(tool('tsc'), ['-p', 'tsconfig.json', '--noEmitOnError', '--outDir', fresh]));
  } else if (existsSync(dist)) {
    cpSync(dist, fresh, { recursive: true, filter: (path) => !/\.(js|map|txt)$|\/(agents|chunks)$/.test(path) });
  }
  await step('bundles', async () => (await import('./bundle.mjs')).bundle(fresh));
  // What runs inside containers is not compiled: plain files, found beside the compiled ones.
  cpSync(join(root, 'src', 'agents'), join(fresh, 'agents'), {
    recursive: true,
    filter: (path) => !path.endsWith('.ts') && !path.includes('__pycache__'),
  });
  rmSync(old, { recursive: true, force: true });
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(fresh, dist);
  rmSync(old, { recursive: true, force: true });
  writeStamp('bundles', key);
  if (declarations) writeStamp('typescript', key);
}

export async function step(name, work) {
  const started = Date.now();
  process.stderr.write(`setup: ${name} …\n`);
  const { code, output } = await work();
  if (code !== 0)
    throw new SetupError(`setup: ${name} failed (exit ${code})\n${output.trimEnd().split('\n').slice(-60).join('\n')}`);
  process.stderr.write(`setup: ${name} done in ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
}

function contents(files) {
  return files.flatMap((file) => [relative(root, file), readFileSync(file)]);
}

function hash(parts) {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(`${part.length}:`).update(part);
  return sum.digest('hex');
}

export function readStamp(name) {
  try {
    return readFileSync(join(stamps, name), 'utf8');
  } catch {
    return null;
  }
}

export function writeStamp(name, value) {
  mkdirSync(stamps, { recursive: true });
  writeFileSync(join(stamps, name), value);
}

/** Runs `setup` for a script: a failure is told in plain words, without a stack of ours. */
export async function setupOrExit(options) {
  try {
    await setup(options);
  } catch (error) {
    if (!(error instanceof SetupError) && error.code === undefined) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const at = process.argv.indexOf('--only');
  const only = at === -1 ? null : process.argv[at + 1];
  if (![null, 'modules', 'addon', 'typescript', 'bundles'].includes(only)) {
    process.stderr.write('usage: setup.mjs [--only modules|addon|typescript|bundles] [--tests]\n');
    process.exit(2);
  }
  await setupOrExit({ only, tests: process.argv.includes('--tests') });
  if (only === null && missingPackages('tests').length === 0) process.stderr.write('setup: everything is in place\n');
}
