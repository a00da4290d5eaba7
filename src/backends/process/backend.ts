import { readdir } from 'node:fs/promises';
import type { FunctionDefinition } from '../../config/api.js';
import type { WorkerConfig } from '../../config/schema.js';
import { IluvatarError } from '../../core/errors.js';
import { type FunctionSpec, functionKey } from '../../core/function.js';
import type { Transport } from '../../transport/transport.js';
import type { WatchActivity } from '../activity.js';
import type {
  Backend,
  BackendContainer,
  BackendHealth,
  ContainerEvents,
  MemoryReading,
  PreparedFunction,
} from '../backend.js';
import { allParents } from '../cgroups/layout.js';
import { limitNotes } from '../cgroups/limit-notes.js';
import { closeAll, type KeptContainer } from '../kept.js';
import type { Lifecycle } from '../lifecycle.js';
import type { BackendLog } from '../log.js';
import type { Networks } from '../networks.js';
import { within } from '../within.js';
import { factsOf, resumeCell } from './adopt.js';
import { AgentsSocket } from './agents-socket.js';
import { assemble, disassemble, type Parts, slotsOf } from './assemble.js';
import type { CellShape } from './cell-pool.js';
import { ProcessContainer } from './container.js';
import type { ProcessFunction } from './function.js';
import { prepareFunction } from './prepare.js';
import { cellShape } from './runtimes.js';
import type { CellSource } from './spawner-slot.js';
import { StrandedCell } from './stranded-cell.js';

/**
 * The embedded backend: containers are process trees on this machine, made by spawners (a launcher, warm interpreters) ahead of
 * time and turned into a function's container when one is asked for. One instance per shard, on the shard's transport.
 */
export interface ProcessBackendOptions {
  readonly config: WorkerConfig;
  readonly transport: Transport;
  readonly lifecycle: Lifecycle;
  readonly log: BackendLog;
  /** Started and stopped with the backend; null = functions with network "bridge" are refused. */
  readonly networks?: Networks | null;
  /** Which shard this is: what it owns carries the number. */
  readonly shard?: number;
  readonly watch?: WatchActivity;
}

const STOP_LIMIT_MS = 15_000;

export class ProcessBackend implements Backend {
  readonly name = 'process';
  readonly #options: ProcessBackendOptions;
  readonly #scope: string;
  readonly #socket: AgentsSocket;
  readonly #containers = new Set<ProcessContainer>();
  /** Functions per cell shape: a shape nobody uses keeps no cells. */
  readonly #shapes = new Map<string, number>();
  #parts: Parts | null = null;
  #memoryReads = 0;
  #created = 0;

  constructor(options: ProcessBackendOptions) {
    const { config, shard = 0 } = options;
    this.#options = options;
    this.#scope = shard === 0 ? config.name : `${config.name}.${shard}`;
    this.#socket = new AgentsSocket(options.transport, options.log);
  }

  async start(kept: readonly KeptContainer[] = []): Promise<void> {
    if (this.#parts !== null) throw new IluvatarError('conflict', 'the process backend is already started');
    const parts = await assemble(this.#options, this.#scope, this.#socket, kept, (container) =>
      this.#containers.delete(container),
    );
    this.#parts = parts;
    this.#options.networks?.recallFrom(() => slotsOf(parts).some((slot) => slot.yieldAddress()));
    parts.cgroups.fill();
    // In the background: a worker answers before its interpreters are warm, and starts wait for them.
    parts.launcher.start();
    parts.base?.start();
    for (const twin of parts.twins) twin.start();
  }

  async prepare(
    definition: FunctionDefinition,
    spec: FunctionSpec,
    progress: (line: string) => void,
  ): Promise<PreparedFunction> {
    const parts = this.#started();
    for (const note of limitNotes(definition, this.#options.config, parts.layout)) progress(note);
    if (definition.network === 'bridge') {
      const { networks = null } = this.#options;
      if (networks === null) throw new IluvatarError('unavailable', 'this worker has no network "bridge"');
      await networks.open();
    }
    const fn = await prepareFunction(
      {
        paths: parts.paths,
        layers: parts.layers,
        lifecycle: this.#options.lifecycle,
        sourceMaxBytes: this.#options.config.limits.sourceMaxBytes,
        python: parts.python,
        node: parts.node,
      },
      definition,
      functionKey(spec.name, spec.version),
      progress,
    );
    const layer = fn.layers[0];
    if (layer !== undefined && fn.zygoteModules.length > 0 && parts.zygotes !== null) {
      progress(`warming an interpreter with ${fn.zygoteModules.join(', ')}`);
      const failure = await parts.zygotes.want(layer, fn.zygoteModules);
      // Not the end of it: the base interpreter starts the function too, only slower.
      if (failure !== null) progress(`no interpreter of its own: ${failure}`);
    }
    const shape = this.#shape(fn);
    const key = JSON.stringify(shape);
    this.#shapes.set(key, (this.#shapes.get(key) ?? 0) + 1);
    this.#source(fn, parts);
    return fn;
  }

  async release(prepared: PreparedFunction): Promise<void> {
    const parts = this.#parts;
    if (parts === null) return;
    const fn = prepared as ProcessFunction;
    const layer = fn.layers[0];
    if (layer !== undefined && fn.zygoteModules.length > 0) await parts.zygotes?.unwant(layer, fn.zygoteModules);
    const shape = this.#shape(fn);
    const key = JSON.stringify(shape);
    const left = (this.#shapes.get(key) ?? 1) - 1;
    if (left > 0) {
      this.#shapes.set(key, left);
      return;
    }
    this.#shapes.delete(key);
    // The base interpreter's plain cells stay: the next Python function is likely. One that holds an address is not kept for that.
    if (shape.argv !== null) await parts.launcher.drop(shape);
    else if (shape.network === 'bridge') for (const slot of [parts.base, ...parts.twins]) await slot?.drop(shape);
  }

  create(
    prepared: PreparedFunction,
    env: Readonly<Record<string, string>>,
    id: number,
    events: ContainerEvents,
  ): BackendContainer {
    const parts = this.#started();
    const fn = prepared as ProcessFunction;
    const container = new ProcessContainer(fn, env, id, this.#source(fn, parts), parts.assign, events);
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
    const parts = this.#started();
    const facts = factsOf(kept);
    if (facts === null) {
      closeAll(kept.fds);
      throw new IluvatarError('invalid', `what is kept of ${kept.name} is not understood`);
    }
    const { networks = null } = this.#options;
    const network = facts.network === null ? null : (networks?.bridged.reclaim(facts.network) ?? null);
    const stranded = new StrandedCell(kept.name, parts.reaper);
    const resumed = resumeCell(facts, kept, network, parts.assign, stranded);
    stranded.cell = resumed.cell;
    if (prepared === null) return stranded;
    const fn = prepared as ProcessFunction;
    const container = new ProcessContainer(fn, {}, 0, this.#source(fn, parts), parts.assign, events, limitMs);
    this.#containers.add(container);
    container.takeOver(resumed, facts.port, kept.running);
    return container;
  }

  async memory(containers: readonly BackendContainer[]): Promise<MemoryReading[]> {
    const { layout } = this.#started();
    const { lifecycle } = this.#options;
    this.#memoryReads += containers.length;
    const cells = containers.map((container) => (container as ProcessContainer).cell);
    if (layout.memory) {
      const versions = [...layout.versions];
      return lifecycle.run('cgroupMemory', {
        groups: cells.map((cell) => ({ dirs: cell?.cgroup.dirs ?? [], versions })),
      });
    }
    const bytes = await lifecycle.run('processMemoryBytes', { pids: cells.map((cell) => cell?.pid ?? 0) });
    return bytes.map((usedBytes) => ({ usedBytes, cacheBytes: 0 }));
  }

  health(): BackendHealth {
    const parts = this.#parts;
    const counters = this.#counters();
    if (parts === null) return { name: this.name, healthy: false, notes: ['not started'], counters };
    const notes = [...parts.notes];
    const slots = [parts.launcher, ...(parts.base === null ? [] : [parts.base])];
    for (const slot of slots) {
      for (const off of slot.off) if (!notes.includes(off)) notes.push(off);
      if (slot.lastFailure !== null) notes.push(`the spawner "${slot.name}" is down: ${slot.lastFailure}`);
    }
    notes.push(...(this.#options.networks?.notes() ?? []));
    const usable = slots.some((slot) => slot.lastFailure === null);
    return { name: this.name, healthy: usable, notes, counters };
  }

  /** Every cgroup of this worker that is no stem cell's and not waiting in the pool; without cgroups, those it remembers. */
  async list(): Promise<readonly string[]> {
    const parts = this.#started();
    const [folder] = parts.layout.parents;
    if (folder === undefined) return [...this.#containers].flatMap(({ cell, name }) => (cell === null ? [] : [name]));
    const spare = new Set<string>(parts.cgroups.names());
    for (const slot of slotsOf(parts)) for (const name of slot.names()) spare.add(name);
    const found = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory());
    return found.filter(({ name }) => !spare.has(name)).map(({ name }) => `${this.#scope}/${name}`);
  }

  async clean(): Promise<readonly string[]> {
    const parts = this.#started();
    const keep = new Set<string>(parts.reaper.names());
    for (const container of this.#containers) if (container.cell !== null) keep.add(container.cell.name);
    for (const slot of slotsOf(parts)) for (const name of slot.names()) keep.add(name);
    for (const name of parts.cgroups.names()) keep.add(name);
    return this.#options.lifecycle.run('sweep', {
      ...allParents(parts.layout),
      keep: [...keep],
      folders: [],
    });
  }

  async stop(): Promise<void> {
    const parts = this.#parts;
    if (parts === null) return;
    this.#parts = null;
    if (!(await within(this.#stopAll(parts), STOP_LIMIT_MS))) {
      this.#options.log.error({ limitMs: STOP_LIMIT_MS }, 'the process backend did not stop in time');
    }
  }

  async #stopAll(parts: Parts): Promise<void> {
    await Promise.all([...this.#containers].map((container) => container.destroy('stopping')));
    await disassemble(parts, this.#options, this.#socket);
  }

  #started(): Parts {
    if (this.#parts === null) throw new IluvatarError('unavailable', 'the process backend is not running');
    return this.#parts;
  }

  #shape(fn: ProcessFunction): CellShape {
    const parts = this.#started();
    return cellShape(fn, parts.python.interpreter, parts.node.interpreter, parts.agents);
  }

  #source(fn: ProcessFunction, parts: Parts): CellSource {
    const { sandbox } = this.#options.config;
    const shape = this.#shape(fn);
    if (shape.argv === null) {
      if (parts.zygotes === null) throw new IluvatarError('unavailable', 'there is no Python here');
      return parts.zygotes.source(fn.layers[0] ?? null, fn.zygoteModules, shape);
    }
    // A waiting launcher child costs next to nothing; a waiting interpreter or Node process costs its memory.
    const light = shape.argv[0] === '@assign';
    return parts.launcher.source(shape, light ? sandbox.stemCells : sandbox.nodeCells);
  }

  #counters(): Record<string, number> {
    const parts = this.#parts;
    const sum: Record<string, number> = {
      containers: this.#containers.size,
      created: this.#created,
      memoryReads: this.#memoryReads,
      strangersRefused: this.#socket.refused,
    };
    if (parts === null) return sum;
    Object.assign(sum, this.#options.networks?.counters());
    for (const slot of slotsOf(parts)) {
      for (const [name, value] of Object.entries(slot.counters())) {
        const key = `cells${name[0]?.toUpperCase()}${name.slice(1)}`;
        sum[key] = (sum[key] ?? 0) + value;
      }
      sum['spawnerRestarts'] = (sum['spawnerRestarts'] ?? 0) + slot.restarts;
    }
    sum['zygotes'] = parts.zygotes?.size ?? 0;
    sum['zygotesEvicted'] = parts.zygotes?.evicted ?? 0;
    sum['zygotesFailed'] = parts.zygotes?.failed ?? 0;
    sum['cgroupsReady'] = parts.cgroups.size;
    sum['containersStuck'] = parts.reaper.stuck;
    sum['layersInstalled'] = parts.layers.installed;
    sum['layersReused'] = parts.layers.reused;
    return sum;
  }
}
