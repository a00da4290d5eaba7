import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { IluvatarError } from '../../core/errors.js';
import type { Interpreter } from './interpreter.js';
import { isLocalPackage, normaliseRequirements, pythonLayerHash } from './layer-name.js';
import type { BackendPaths } from './paths.js';
import { type ImportedSource, place } from './source.js';

/**
 * Installs a function's packages once, into a layer named by the hash of everything that decides its content: the requirements, the interpreter,
 * the platform. Two registrations of one hash at the same time install once; a layer is complete or not there.
 */
const INSTALL_LIMIT_MS = 20 * 60_000;
const TAIL_LINES = 15;

export class LayerInstaller {
  readonly #paths: Pick<BackendPaths, 'code' | 'layers' | 'staging'>;
  readonly #running = new Map<string, { promise: Promise<void>; listeners: Set<(line: string) => void> }>();
  installed = 0;
  reused = 0;

  constructor(paths: Pick<BackendPaths, 'code' | 'layers' | 'staging'>) {
    this.#paths = paths;
  }

  /** Name of the layer in the store, relative to it (`layers/<hash>`); null = no dependencies. */
  async python(
    source: ImportedSource,
    interpreter: Interpreter,
    progress: (line: string) => void,
  ): Promise<string | null> {
    if (source.requirements === null || normaliseRequirements(source.requirements) === '') return null;
    const hash = pythonLayerHash(source.requirements, source.digest, interpreter.version, interpreter.abi);
    const code = join(this.#paths.code, source.digest);
    await this.#once(hash, progress, async (folder, say) => {
      const env = { ...process.env, PIP_ROOT_USER_ACTION: 'ignore', PYTHONDONTWRITEBYTECODE: '1' };
      const pip = [
        '-m',
        'pip',
        'install',
        '--target',
        folder,
        '--no-input',
        '--disable-pip-version-check',
        '--no-compile',
      ];
      const failed = await runLines(
        interpreter.executable,
        [...pip, '-r', join(code, 'requirements.txt')],
        code,
        env,
        say,
      );
      if (failed !== null) {
        if (failed.includes('No module named pip')) {
          throw new IluvatarError(
            'invalid',
            `requirements.txt needs pip, which ${interpreter.executable} does not have: apt-get install python3-pip, or ${interpreter.executable} -m ensurepip`,
          );
        }
        throw new IluvatarError('invalid', `the dependencies could not be installed (pip):\n${failed}`);
      }
      // Compiled by us and not by pip, so that tracebacks name the path a container sees; never checked again, because a layer never changes.
      const compile = [
        '-m',
        'compileall',
        '-q',
        '-d',
        `/layers/${hash}`,
        '--invalidation-mode',
        'unchecked-hash',
        folder,
      ];
      await runLines(interpreter.executable, compile, '/', process.env, () => {});
    });
    return `layers/${hash}`;
  }

  async node(
    source: ImportedSource,
    interpreter: Interpreter,
    progress: (line: string) => void,
  ): Promise<string | null> {
    const { packageJson, packageLock, nodeLayer: hash } = source;
    if (packageJson === null || hash === null) return null;
    const code = join(this.#paths.code, source.digest);
    await this.#once(hash, progress, async (folder, say) => {
      if (isLocalPackage(packageJson))
        await cp(code, folder, { recursive: true, filter: (path) => !path.endsWith('/node_modules') });
      else {
        await writeFile(join(folder, 'package.json'), packageJson);
        if (packageLock !== null) await copyFile(join(code, 'package-lock.json'), join(folder, 'package-lock.json'));
      }
      const beside = join(dirname(interpreter.executable), 'npm');
      const npm = existsSync(beside) ? beside : 'npm';
      const what = packageLock === null ? ['install', '--no-package-lock'] : ['ci'];
      const flags = ['--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--no-progress', '--install-links'];
      const failed = await runLines(npm, [...what, ...flags], folder, npmEnvironment(), say);
      if (failed !== null) {
        throw new IluvatarError('invalid', `the dependencies could not be installed (npm):\n${failed}`);
      }
    });
    return `layers/${hash}`;
  }

  async #once(
    hash: string,
    progress: (line: string) => void,
    install: (folder: string, say: (line: string) => void) => Promise<void>,
  ): Promise<void> {
    const target = join(this.#paths.layers, hash);
    const running = this.#running.get(hash);
    if (running !== undefined) {
      progress(`waiting for the same dependencies, which are being installed (layer ${hash.slice(0, 12)})`);
      running.listeners.add(progress);
      this.reused++;
      return running.promise;
    }
    if (existsSync(target)) {
      progress(`dependencies are already installed (layer ${hash.slice(0, 12)})`);
      this.reused++;
      return;
    }
    const listeners = new Set([progress]);
    const say = (line: string): void => {
      for (const listener of listeners) listener(line);
    };
    const promise = this.#install(hash, target, say, install).finally(() => this.#running.delete(hash));
    this.#running.set(hash, { promise, listeners });
    return promise;
  }

  async #install(
    hash: string,
    target: string,
    say: (line: string) => void,
    install: (folder: string, say: (line: string) => void) => Promise<void>,
  ): Promise<void> {
    const folder = join(this.#paths.staging, `layer-${randomBytes(8).toString('hex')}`);
    await mkdir(folder, { recursive: true, mode: 0o755 });
    try {
      say(`installing dependencies (layer ${hash.slice(0, 12)})`);
      await install(folder, say);
      // A strict umask would leave files that a container's uid cannot read.
      await runLines('chmod', ['-R', 'a+rX,go-w', folder], '/', process.env, () => {});
      await chmod(folder, 0o755);
      await place(folder, target);
      this.installed++;
      say('dependencies are installed');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

/** The user's registries and proxies stay; what an outer `npm run` says about *its* project goes. */
function npmEnvironment(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (
      /^npm_(package_|lifecycle_|command$|execpath$|node_execpath$|config_(local_prefix|prefix|global_prefix)$)/.test(
        name,
      )
    )
      continue;
    if (name !== 'INIT_CWD' && name !== 'NODE_ENV' && name !== 'NODE_OPTIONS') env[name] = value;
  }
  return env;
}

/** Runs a program and reports its lines; null = it succeeded, else its last lines. */
function runLines(
  file: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: INSTALL_LIMIT_MS });
    const tail: string[] = [];
    const line = (text: string): void => {
      const clean = text.trimEnd();
      if (clean === '') return;
      tail.push(clean);
      if (tail.length > TAIL_LINES) tail.shift();
      say(clean);
    };
    createInterface({ input: child.stdout }).on('line', line);
    createInterface({ input: child.stderr }).on('line', line);
    child.on('error', (error) => resolve(`${file}: ${error.message}`));
    child.on('close', (code, signal) => {
      if (code === 0) resolve(null);
      else resolve(tail.join('\n') || `${file} ended with ${signal ?? `code ${code}`}`);
    });
  });
}
