import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hierarchies } from '../../src/backends/cgroups/hierarchies.js';
import { containerLimits } from '../../src/backends/cgroups/limits.js';
import { DockerClient } from '../../src/backends/docker/client.js';
import { DockerEngine } from '../../src/backends/docker/engine.js';
import type { DockerImage } from '../../src/backends/docker/images.js';
import type { DockerNetworks } from '../../src/backends/docker/networks.js';
import type { ContainerPlan, EngineEvents, EngineExit, NamedImage } from '../../src/backends/oci/engine.js';
import type { OciFunction } from '../../src/backends/oci/function.js';
import { type FunctionDefinitionInput, functionDefinitionSchema } from '../../src/config/api.js';
import { workerConfigSchema } from '../../src/config/schema.js';
import { readBase } from '../../src/images/base.js';
import { BlobFolder } from '../../src/images/blobs.js';
import { assembleImage } from '../../src/images/image.js';
import { hostPlatform } from '../../src/images/platform.js';
import { native } from '../../src/native.js';

/** What the suites about Docker need: an image with one static program in it, an engine whose events are kept, and plans. */

export const DOCKER = { root: true, command: ['dockerd', 'containerd', 'runc', 'gcc', 'mount'] };

const CONFIG = workerConfigSchema.parse({});
const PROGRAM = fileURLToPath(new URL('program.c', import.meta.url));

export interface TestImage {
  /** Different content, and so a different digest, for each `mark`. */
  named(reference: string, mark?: string): Promise<NamedImage>;
  readonly folder: string;
  remove(): void;
}

/** Compiles the program. */
export function testImage(): TestImage {
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-docker-image-'));
  const program = join(folder, 'program');
  const compiled = spawnSync('gcc', ['-static', '-O1', '-D_GNU_SOURCE', '-o', program, PROGRAM], { encoding: 'utf8' });
  if (compiled.status !== 0) {
    rmSync(folder, { recursive: true, force: true });
    throw new Error(compiled.stderr);
  }
  const named = async (reference: string, mark = 'one'): Promise<NamedImage> => {
    const root = join(folder, `root-${mark}`);
    mkdirSync(join(root, 'bound'), { recursive: true });
    mkdirSync(join(root, mark), { recursive: true });
    spawnSync('cp', ['--link', program, join(root, 'program')]);
    const platform = hostPlatform();
    const blobs = new BlobFolder(join(folder, 'blobs'));
    const base = await readBase(root, { platform, blobs, temporary: folder, compress: false });
    const config = { ...base.config, config: { Env: ['FROM_IMAGE=yes'], WorkingDir: '/bound', Cmd: ['/program'] } };
    return { reference, image: assembleImage(config, base.layers, {}), config };
  };
  return { named, folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Everything an engine has told. */
export class Recorder implements EngineEvents {
  readonly exits = new Map<string, EngineExit[]>();
  readonly outputs = new Map<string, { stdout: string; stderr: string }>();
  readonly #waiting = new Map<string, (exit: EngineExit) => void>();
  outputBytes = 0;

  exited(name: string, exit: EngineExit): void {
    this.exits.set(name, [...(this.exits.get(name) ?? []), exit]);
    this.#waiting.get(name)?.(exit);
  }

  returns = 0;

  back(): void {
    this.returns++;
  }

  output(name: string, stream: 'stdout' | 'stderr', chunk: Buffer): void {
    this.outputBytes += chunk.length;
    const before = this.outputOf(name);
    this.outputs.set(name, { ...before, [stream]: before[stream] + chunk.toString('utf8') });
  }

  outputOf(name: string): { stdout: string; stderr: string } {
    return this.outputs.get(name) ?? { stdout: '', stderr: '' };
  }

  exit(name: string): Promise<EngineExit> {
    const [told] = this.exits.get(name) ?? [];
    if (told !== undefined) return Promise.resolve(told);
    return new Promise((resolve) => this.#waiting.set(name, resolve));
  }
}

export interface PlanOptions {
  readonly definition?: Partial<FunctionDefinitionInput>;
  readonly fn?: Partial<OciFunction<DockerImage>>;
  readonly env?: Record<string, string>;
  readonly network?: ContainerPlan['network'];
}

/** An engine with a worker's cgroups and folders around it. */
export class EngineHarness {
  readonly scope: string;
  readonly client: DockerClient;
  readonly engine: DockerEngine;
  readonly events = new Recorder();
  readonly warnings: string[] = [];
  readonly #folder: string;
  readonly #parent: string;
  #next = 0;

  constructor(socket: string, networks: (client: DockerClient, scope: string) => DockerNetworks | null = () => null) {
    this.scope = `test-${process.pid}-${randomBytes(3).toString('hex')}`;
    this.#parent = `/ilu-test-docker-${this.scope}`;
    this.#folder = mkdtempSync(join(tmpdir(), 'iluvatar-docker-engine-'));
    this.client = new DockerClient(socket);
    const note = (fields: Record<string, unknown>, message: string): void => {
      this.warnings.push(`${message} ${JSON.stringify(fields)}`);
    };
    this.engine = new DockerEngine({
      client: this.client,
      scope: this.scope,
      container: { seccomp: true, openFiles: 1024, limits: (definition) => containerLimits(definition, CONFIG) },
      log: { debug: () => {}, info: () => {}, warn: note, error: note },
      activity: { running: () => {}, failed: (cause, reason) => note({ reason }, `docker-events: ${cause}`) },
      networks: networks(this.client, this.scope),
    });
  }

  async start(): Promise<void> {
    await this.engine.start(this.events);
  }

  plan(
    image: DockerImage,
    argv: string[],
    { definition = {}, fn = {}, env = {}, network = null }: PlanOptions = {},
  ): ContainerPlan<DockerImage> {
    const full = functionDefinitionSchema.parse({ name: 'test', image: 'test', ...definition });
    const id = `c${++this.#next}`;
    const name = `${this.scope}-${id}`;
    const sockets = join(this.#folder, id);
    mkdirSync(sockets, { mode: 0o777 });
    spawnSync('chmod', ['777', sockets]);
    const cgroupPath = `${this.#parent}/${this.scope}/${id}`;
    const mounts = native().cgroup.mounts().filter(usable);
    const cgroupDirs = mounts.map(({ path }) => join(path, cgroupPath));
    for (const dir of cgroupDirs) mkdirSync(dir, { recursive: true });
    const versions = mounts.map(({ version }) => version);
    native().cgroup.setLimits(cgroupDirs, versions, {
      memoryBytes: full.memoryMb * 1024 * 1024,
      cpus: full.cpus,
      pids: full.pids,
      swapBytes: 0,
      shares: null,
    });
    return {
      name,
      env,
      cgroupPath,
      cgroupDirs,
      port: 8080,
      sockets,
      network,
      fn: {
        key: 'test@1',
        digest: 'test',
        runtime: 'binary',
        definition: full,
        image,
        process: { argv: ['/program', ...argv], env: {}, cwd: '/', user: { uid: 1234, gid: 1234, groups: [] } },
        assign: {},
        binds: [],
        readOnlyRoot: true,
        tmpMb: 8,
        ...fn,
      },
    };
  }

  async run(image: DockerImage, argv: string[], options: PlanOptions = {}): Promise<ContainerPlan<DockerImage>> {
    const plan = this.plan(image, argv, options);
    await this.engine.create(plan);
    await this.engine.run(plan);
    return plan;
  }

  /** With the cgroups that the worker made for it. */
  async remove(plan: ContainerPlan<DockerImage>): Promise<void> {
    await this.engine.remove(plan.name);
    native().cgroup.remove([...plan.cgroupDirs]);
  }

  async close(): Promise<void> {
    for (const name of await this.engine.list().catch(() => [])) await this.engine.remove(name);
    await this.engine.stop();
    rmSync(this.#folder, { recursive: true, force: true });
    for (const mount of hierarchies(readFileSync('/proc/self/mounts', 'utf8'))) {
      for (let id = 1; id <= this.#next; id++) removeFolder(join(mount, this.#parent, this.scope, `c${id}`));
      removeFolder(join(mount, this.#parent, this.scope));
      removeFolder(join(mount, this.#parent));
    }
  }

  /** Cgroups of its containers that are there, in whatever hierarchy. */
  cgroups(): string[] {
    return hierarchies(readFileSync('/proc/self/mounts', 'utf8'))
      .map((mount) => join(mount, this.#parent))
      .filter((path) => existsSync(path));
  }
}

function usable({ controllers }: { controllers: readonly string[] }): boolean {
  return controllers.some((name) => ['memory', 'cpu', 'cpuacct', 'pids'].includes(name));
}

function removeFolder(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Not there, or in use: a suite that asks finds it.
  }
}
