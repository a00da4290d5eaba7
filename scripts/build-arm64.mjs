import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compare, JETPACK_GLIBC, makeOldLibc, neededGlibc, unversionedSymbols } from './glibc-floor.mjs';
import { root, run, tool } from './run.mjs';
import { addonKey, nodeHeaders, OUTPUTS, readStamp, setup, step, writeStamp } from './setup.mjs';
import { SetupError } from './setup-error.mjs';
import { installPackages } from './system-packages.mjs';

/**
 * `npm run build:arm64`: the addon and the helper programs for 64-bit ARM (a Jetson), on any machine with a cross compiler, into `prebuilds/linux-arm64`, where an arm64 Node finds them before anything
 * else. Then it looks which C library they need. The same binding.gyp as here: node-gyp builds in a folder of its own that sees the sources through links, since it knows one folder for its results only.
 */
const PREFIX = 'aarch64-linux-gnu-';
const work = join(root, '.iluvatar', 'arm64');
const target = join(root, 'prebuilds', 'linux-arm64');
/** Of JetPack 5, the oldest that Node 20 is for. */
const FLOOR = JETPACK_GLIBC[5];
const LINKED = ['binding.gyp', 'package.json', 'native', 'functions', 'src', 'dist', 'node_modules'];

async function build() {
  // The agents' header, which a function is built with.
  await setup({ only: 'typescript' });
  await installPackages('arm64', { required: true });
  const version = spawnSync(`${PREFIX}g++`, ['-dumpfullversion'], { encoding: 'utf8' }).stdout.trim();
  const toolchain = `${process.version} g++ ${version}`;
  const key = `${toolchain}\n${addonKey(toolchain)}`;
  const made = OUTPUTS.every((name) => existsSync(join(target, name)));
  if (made && readStamp('arm64') === key) return;
  mkdirSync(work, { recursive: true });
  for (const name of LINKED) {
    rmSync(join(work, name), { force: true });
    symlinkSync(join('..', '..', name), join(work, name));
  }
  const libc = join(work, 'glibc');
  makeOldLibc(libc, FLOOR);
  const env = { ...nodeHeaders(), CC: `${PREFIX}gcc`, CXX: `${PREFIX}g++`, AR: `${PREFIX}ar` };
  const gyp = ([command, ...args]) => run(tool('node-gyp'), [command, '--arch', 'arm64', ...args], { cwd: work, env });
  // Objects of another compiler would be taken for up to date.
  if (readStamp('arm64')?.split('\n')[0] !== toolchain) rmSync(join(work, 'build'), { recursive: true, force: true });
  await step('native addon for arm64', async () => {
    // In two steps: what is defined is for the first, and the second would hand it to make.
    const configured = await gyp(['configure', '--', `-Dold_glibc=${libc}`]);
    return configured.code === 0 ? gyp(['build', '--jobs', 'max']) : configured;
  });
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  for (const name of OUTPUTS) copyFileSync(join(work, 'build', 'Release', name), join(target, name));
  writeStamp('arm64', key);
}

/** The programs are static and ask for no C library. Throws where a file would not be loaded on the oldest JetPack. */
function checkFloor() {
  const above = [];
  for (const name of OUTPUTS) {
    const file = join(target, name);
    const { version, symbols } = neededGlibc(file);
    process.stdout.write(`${name.padEnd(28)} ${version === null ? 'static' : `glibc ${version}`}\n`);
    if (version !== null && compare(version, FLOOR) > 0)
      above.push(`${name}: ${symbols.join(', ')} of glibc ${version}`);
    // What the old library does not have at all is bound to nothing, and found to be missing on the board only.
    const missing = version === null ? [] : unversionedSymbols(file).filter((symbol) => !OTHERS.test(symbol));
    if (missing.length > 0) above.push(`${name}: ${missing.join(', ')} of no glibc up to ${FLOOR}`);
  }
  if (above.length > 0)
    throw new SetupError(
      `needs a newer system than JetPack 5 (glibc ${FLOOR}); native/compat may have it:\n${above.join('\n')}`,
    );
  process.stdout.write(`runs on JetPack 5 and later (glibc ${FLOOR})\n`);
}

/** Of Node, of its libuv, and of the linker's own start code. */
const OTHERS = /^(napi_|node_api_|uv_|__gmon_start__$|_ITM_|__cxa_finalize$)/;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await build();
    checkFloor();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
