import { mkdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { FunctionDefinition } from '../../config/api.js';
import { dividesEnergy } from '../../config/energy-use.js';
import type { WorkerConfig } from '../../config/schema.js';
import { IluvatarError } from '../../core/errors.js';
import type { FunctionSpec } from '../../core/function.js';
import type { Transport } from '../../transport/transport.js';
import { loggedActivity, type WatchActivity } from '../activity.js';
import type {
  Backend,
  BackendContainer,
  BackendHealth,
  ContainerEvents,
  MemoryReading,
  PreparedFunction,
} from '../backend.js';
import { hierarchies, removeParents } from '../cgroups/hierarchies.js';
import { allParents, type CgroupLayout, prepareCgroups } from '../cgroups/layout.js';
import { limitNotes } from '../cgroups/limit-notes.js';
import { containerLimits } from '../cgroups/limits.js';
import { CgroupPool } from '../cgroups/pool.js';
import { closeAll, type KeptContainer, numberOf } from '../kept.js';
import type { Lifecycle } from '../lifecycle.js';
import type { BackendLog } from '../log.js';
import { assertAlone, type NameLock } from '../name-lock.js';
import type { Networks } from '../networks.js';
import { within } from '../within.js';
import { adoptBody, factsOf, keptInEngine } from './adopt.js';
import { takeCgroup } from './cgroup.js';
import { OciContainer } from './container.js';
import type { EngineContainer, OciContext } from './context.js';
import type { EngineEvents, OciEngine } from './engine.js';
import type { OciFunction } from './function.js';
import { socketsFolder } from './paths.js';
import { FunctionPreparer } from './prepare.js';
import { makeStages, STAGES, type Stages } from './stage.js';
import { StrandedContainer } from './stranded-container.js';

/**
 * A backend of any container engine: images at registration, containers made in stages, exits as the engine tells them. One instance per
 * shard and engine.
 */
export interface OciBackendOptions {
  readonly config: WorkerConfig;
  readonly transport: Transport;
  readonly lifecycle: Lifecycle;
  readonly log: BackendLog;
  readonly engine: OciEngine;
  /** Shared by the backends of a worker, which starts and stops them; null = functions with network "bridge" are refused. */
  readonly networks?: Networks | null;
  readonly shard?: number;
  readonly watch?: WatchActivity;
}

const STOP_LIMIT_MS = 30_000;
const REMOVE_GRACE_MS = 500;
const REMOVE_LIMIT_MS = 10_000;

interface Running {
  readonly lock: NameLock;
  readonly layout: CgroupLayout;
  readonly cgroups: CgroupPool;
  readonly context: OciContext;
  readonly preparer: FunctionPreparer;
}

export class OciBackend implements Backend {
  readonly name: string;
  readonly #options: OciBackendOptions;
  readonly #worker: string;
  readonly #scope: string;
  readonly #stages: Stages;
  readonly #containers = new Set<EngineContainer>();
  /** Those of which the engine has heard. */
  readonly #byName = new Map<string, EngineContainer>();
  /** Names in the engine of what an earlier process made and nobody has adopted yet. */
  readonly #spared = new Set<string>();
  #running: Running | null = null;
  #created = 0;
  #memoryReads = 0;
  #strangers = 0;

  constructor(options: OciBackendOptions) {
    const { config, engine, shard = 0 } = options;
    this.#options = options;
    this.name = engine.name;
    this.#worker = shard === 0 ? config.name : `${config.name}.${shard}`;
    this.#scope = `${this.#worker}.${engine.name}`;
    this.#stages = makeStages(config.stages);
  }

  async start(kept: readonly KeptContainer[] = []): Promise<void> {
    if (this.#running !== null) throw new IluvatarError('conflict', `the backend ${this.name} is already started`);
    const { config, engine, lifecycle, log, networks = null, shard = 0, watch = loggedActivity(log) } = this.#options;
    const lock = await assertAlone(config.cgroup.parent, this.#scope);
    try {
      const layout = prepareCgroups(config.cgroup, this.#scope);
      const living = kept.flatMap((one) => factsOf(one) ?? []);
      const first = 1 + Math.max(0, ...living.map(({ cgroup }) => numberOf(cgroup)));
      const activity = watch(`${engine.name}-cgroups`);
      const cgroups = new CgroupPool(layout, lifecycle, activity, config.cgroup.pool, first);
      const sockets = socketsFolder(config, this.#scope);
      mkdirSync(sockets, { recursive: true, mode: 0o700 });
      const context = this.#context(layout, cgroups, sockets);
      const preparer = new FunctionPreparer({ config, engine, lifecycle, log, shard });
      await preparer.start();
      this.#running = { lock, layout, cgroups, context, preparer };
      await networks?.start();
      const spared = living.map((facts) => keptInEngine(facts, context));
      for (const { name } of spared) this.#spared.add(name);
      const events: EngineEvents = {
        exited: (name, exit) => this.#byName.get(name)?.exited(exit),
        output: (name, stream, chunk) => this.#byName.get(name)?.wrote(stream, chunk),
        back: () => void this.#reconcile(),
      };
      await engine.start(events, spared);
      await this.clean();
      cgroups.fill();
    } catch (error) {
      this.#running = null;
      this.#spared.clear();
      lock.release();
      throw error;
    }
  }

  async prepare(
    definition: FunctionDefinition,
    _spec: FunctionSpec,
    progress: (line: string) => void,
  ): Promise<PreparedFunction> {
    const { preparer, layout } = this.#started();
    for (const note of limitNotes(definition, this.#options.config, layout)) progress(note);
    if (definition.network === 'bridge') {
      const { networks = null } = this.#options;
      if (networks === null) throw new IluvatarError('unavailable', 'this worker has no network "bridge"');
      await networks.open();
    }
    return preparer.prepare(definition, progress);
  }

  async release(prepared: PreparedFunction): Promise<void> {
    await this.#running?.preparer.release(prepared as OciFunction);
  }

  create(
    prepared: PreparedFunction,
    env: Readonly<Record<string, string>>,
    id: number,
    events: ContainerEvents,
  ): BackendContainer {
    const { context } = this.#started();
    const container = new OciContainer(prepared as OciFunction, env, id, context, events);
    this.#created++;
    this.#containers.add(container);
    container.start();
    return container;
  }

  adopt(
    kept: KeptContainer,
    prepared: PreparedFunction | null,
    limitMs: number,
    events: ContainerEvents,
  ): BackendContainer {
    const { context } = this.#started();
    const facts = factsOf(kept);
    if (facts === null) {
      closeAll(kept.fds);
      throw new IluvatarError('invalid', `what is kept of ${kept.name} is not understood`);
    }
    const { body, whole } = adoptBody(facts, context);
    const { engineName } = body;
    const agent = facts.agent === null ? null : (kept.fds[0] as number);
    const known = this.#options.engine.adopt(engineName, kept.fds.slice(agent === null ? 0 : 1));
    this.#spared.delete(engineName);
    if (prepared === null) {
      if (agent !== null) closeAll([agent]);
      return this.#added(new StrandedContainer(kept.name, body, context));
    }
    const fn = prepared as OciFunction;
    const container = this.#added(new OciContainer(fn, {}, numberOf(facts.cgroup), context, events, body, limitMs));
    container.takeOver(whole && known, facts, agent, kept.running);
    return container;
  }

  async memory(containers: readonly BackendContainer[]): Promise<MemoryReading[]> {
    const { layout } = this.#started();
    this.#memoryReads += containers.length;
    if (!layout.memory) return containers.map(() => ({ usedBytes: 0, cacheBytes: 0 }));
    const versions = [...layout.versions];
    return this.#options.lifecycle.run('cgroupMemory', {
      groups: containers.map((container) => ({ dirs: [...(container as EngineContainer).cgroupDirs], versions })),
    });
  }

  async list(): Promise<readonly string[]> {
    this.#started();
    const names = await this.#options.engine.list();
    return names.map((name) => `${this.#worker}/${name.slice(this.#worker.length + 1)}`);
  }

  health(): BackendHealth {
    const { engine } = this.#options;
    const { healthy, notes, counters } = engine.health();
    return {
      name: this.name,
      healthy: healthy && this.#running !== null,
      notes: [...notes, ...(this.#running?.layout.notes ?? ['not started'])],
      counters: {
        containers: this.#containers.size,
        created: this.#created,
        memoryReads: this.#memoryReads,
        strangersRefused: this.#strangers,
        cgroupsReady: this.#running?.cgroups.size ?? 0,
        ...counters,
        ...Object.assign({}, ...STAGES.map((name) => this.#stages[name].counters())),
      },
    };
  }

  /** What carries this worker's mark and is none of its live containers. */
  async clean(): Promise<readonly string[]> {
    const { layout, context, cgroups } = this.#started();
    const { engine, lifecycle } = this.#options;
    const removed = engine.health().healthy ? await this.#cleanEngine() : [];
    const names = [...[...this.#containers].map(({ engineName }) => engineName), ...this.#spared];
    const keep = names.map((name) => name.slice(this.#scope.length + 1));
    keep.push(...cgroups.names());
    const swept = await lifecycle.run('sweep', {
      ...allParents(layout),
      keep,
      folders: [context.sockets],
    });
    return [...removed, ...swept];
  }

  async #cleanEngine(): Promise<string[]> {
    const { engine } = this.#options;
    const removed: string[] = [];
    for (const name of await engine.list()) {
      // Looked up only now: one that was begun while the list was made may be in it.
      if (this.#byName.has(name) || this.#spared.has(name)) continue;
      await engine.remove(name);
      removed.push(`container ${name}`);
    }
    return removed;
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    if (!(await within(this.#stop(running), STOP_LIMIT_MS))) {
      this.#options.log.error({ backend: this.name, limitMs: STOP_LIMIT_MS }, 'a backend did not stop in time');
    }
    running.lock.release();
  }

  async #stop({ cgroups, layout, context }: Running): Promise<void> {
    await Promise.all([...this.#containers].map((container) => container.destroy('stopping')));
    this.#running = null;
    this.#spared.clear();
    await this.#options.engine.stop();
    await this.#options.networks?.stop();
    await cgroups.close();
    if (layout.parents.length > 0) {
      await removeParents(hierarchies(await readFile('/proc/self/mounts', 'utf8')), context.cgroupPath);
    }
    rmSync(context.sockets, { recursive: true, force: true });
  }

  #context(layout: CgroupLayout, cgroups: CgroupPool, sockets: string): OciContext {
    const { config, engine, transport, lifecycle, log, networks = null } = this.#options;
    return {
      worker: this.#worker,
      scope: this.#scope,
      engine,
      transport,
      stages: this.#stages,
      layout,
      cgroupPath: `/${config.cgroup.parent}/${this.#scope}`,
      networks,
      sockets,
      maxBodyBytes: config.transport.maxBodyBytes,
      killGraceMs: config.sandbox.killGraceMs,
      log,
      takeCgroup: () => takeCgroup(cgroups),
      limits: (definition) => containerLimits(definition, config),
      cores: availableParallelism(),
      cpuTime: dividesEnergy(config.energy),
      removeCgroup: async ({ dirs, name }) => {
        if (dirs.length === 0) return;
        const groups = [{ dirs, versions: [...layout.versions] }];
        const limits = { graceMs: REMOVE_GRACE_MS, limitMs: REMOVE_LIMIT_MS };
        const [gone] = await lifecycle.run('removeCgroups', { groups, ...limits }).catch(() => [false]);
        if (gone !== true) log.error({ container: name }, 'the cgroup of a container could not be removed');
      },
      removeFolder: (folder) =>
        lifecycle.run('removeFolders', { folders: [folder] }).catch((error: Error) => {
          log.warn({ folder, reason: error.message }, 'a folder of a container could not be removed');
        }),
      strangerRefused: () => {
        this.#strangers++;
      },
      named: (container) => this.#byName.set(container.engineName, container),
      gone: (container) => {
        this.#containers.delete(container);
        this.#byName.delete(container.engineName);
      },
      // Else it is done when the engine is back.
      leftBehind: () => {
        if (engine.health().healthy) void this.#reconcile();
      },
    };
  }

  #added<Container extends EngineContainer>(container: Container): Container {
    this.#containers.add(container);
    this.#byName.set(container.engineName, container);
    return container;
  }

  /** After an absence of the daemon, or a removal that failed: what could not be removed goes, and what was made without anybody hearing of it. */
  async #reconcile(): Promise<void> {
    if (this.#running === null) return;
    try {
      const removed = await this.#cleanEngine();
      if (removed.length > 0) this.#options.log.warn({ backend: this.name, removed }, 'leftovers were removed');
    } catch (error) {
      this.#options.log.warn(
        { backend: this.name, reason: (error as Error).message },
        'leftovers could not be removed',
      );
    }
  }

  #started(): Running {
    if (this.#running === null) throw new IluvatarError('unavailable', `the backend ${this.name} is not running`);
    return this.#running;
  }
}
