import { createHash } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { dividesEnergy } from '../../config/energy-use.js';
import { native } from '../../native.js';
import { loggedActivity } from '../activity.js';
import { allParents, type CgroupLayout, prepareCgroups, removeCgroupParents } from '../cgroups/layout.js';
import { machineHasSwap, memoryPolicyNotes } from '../cgroups/limit-notes.js';
import { containerLimits } from '../cgroups/limits.js';
import { CgroupPool } from '../cgroups/pool.js';
import { type KeptContainer, numberOf } from '../kept.js';
import { assertAlone, type NameLock } from '../name-lock.js';
import { UserIds } from '../user-ids.js';
import { factsOf } from './adopt.js';
import type { AgentsSocket } from './agents-socket.js';
import type { AssignContext } from './assign.js';
import type { ProcessBackendOptions } from './backend.js';
import type { CellPoolContext } from './cell-pool.js';
import type { ProcessContainer } from './container.js';
import { LayerInstaller } from './dependencies.js';
import { type FoundInterpreter, findNode, findPython } from './interpreter.js';
import { type BackendPaths, makePaths } from './paths.js';
import { Reaper } from './reaper.js';
import { agentsFolder, launcherCommand, type SpawnerSetting, zygoteCommand } from './runtimes.js';
import { SpawnerSlot, type SpawnerSlotOptions } from './spawner-slot.js';
import { forkZygote, ZygoteTree } from './zygotes.js';

/** Puts the parts of a running backend together, in the order in which they need each other, and takes them apart again. */

/** What exists between start and stop. */
export interface Parts {
  readonly paths: BackendPaths;
  readonly agents: string;
  readonly layout: CgroupLayout;
  readonly lock: NameLock;
  readonly python: FoundInterpreter;
  readonly node: FoundInterpreter;
  readonly cgroups: CgroupPool;
  readonly reaper: Reaper;
  readonly layers: LayerInstaller;
  readonly assign: AssignContext;
  readonly launcher: SpawnerSlot;
  /** null = no Python here. */
  readonly base: SpawnerSlot | null;
  /** Further interpreters like the base, forked from it. */
  readonly twins: readonly SpawnerSlot[];
  readonly zygotes: ZygoteTree | null;
  readonly notes: readonly string[];
}

const SPAWNER_START_LIMIT_MS = 30_000;
/** `/tmp` of a cell before ASSIGN says how large the function's is; MiB. */
const STEM_TMP_MB = 64;

export async function assemble(
  options: ProcessBackendOptions,
  scope: string,
  socket: AgentsSocket,
  kept: readonly KeptContainer[],
  gone: (container: ProcessContainer) => void,
): Promise<Parts> {
  const { config, lifecycle, log, transport, networks = null, shard = 0, watch = loggedActivity(log) } = options;
  const { sandbox } = config;
  const lock = await assertAlone(config.cgroup.parent, scope);
  let made: CgroupLayout | null = null;
  try {
    const paths = makePaths(config, shard);
    socket.open(paths.agentsSocket);
    const layout = prepareCgroups(config.cgroup, scope);
    made = layout;
    const notes = [...layout.notes];
    const { policy } = config.memory;
    // What is missing for the other policies is among the layout's notes.
    if (policy === 'swap' && layout.memory) notes.push(...memoryPolicyNotes(policy, layout, machineHasSwap()));
    if (layout.parents.length > 0 && config.cgroup.favorDynmods === 'auto') favorDynmods(paths, notes);
    const [python, node] = await Promise.all([findPython(sandbox.python), findNode()]);
    const living = kept.flatMap((one) => factsOf(one) ?? []);
    await lifecycle.run('sweep', {
      ...allParents(layout),
      keep: living.map(({ cgroup }) => cgroup),
      folders: [paths.staging],
    });
    // After the processes that an earlier run may have left in them.
    await networks?.start();
    const { uidBase, uidCount } = sandbox;
    const userIds = process.getuid?.() === 0 ? new UserIds(uidBase + shard * uidCount, uidCount) : null;
    for (const { userId } of living) if (userId !== null) userIds?.claim(userId);
    const first = 1 + Math.max(0, ...living.map(({ cgroup }) => numberOf(cgroup)));
    const cgroups = new CgroupPool(layout, lifecycle, watch('process-cgroups'), config.cgroup.pool, first);
    const reaper = new Reaper({ socket, layout, lifecycle, userIds, networks, log });
    const defaults = { tmpMb: STEM_TMP_MB, files: sandbox.openFiles, processes: 0 };
    const cells: CellPoolContext = {
      socket,
      cgroups,
      networks,
      reaper,
      userIds,
      log,
      defaults,
      activity: watch('stem-cells'),
    };
    const slot = { socket, log, cells, startLimitMs: SPAWNER_START_LIMIT_MS };
    const interpreters = [python.interpreter, node.interpreter].filter((found) => found !== null);
    const agents = agentsFolder(paths.dataDir);
    const setting: SpawnerSetting = {
      config: sandbox,
      paths,
      cgroups: layout.parents,
      interpreters,
      agents,
      networks: networks?.folder ?? '',
      nameServers: config.network.dns,
    };
    const launcher = new SpawnerSlot({
      ...slot,
      name: 'launcher',
      restart: true,
      begin: (spawner) => spawner.launch(launcherCommand('launcher', setting)),
    });
    const base = python.interpreter === null ? null : baseZygote(slot, python.interpreter, setting);
    const twins = base === null ? [] : twinsOf(slot, base, sandbox.baseZygotes - 1);
    const limits = { count: sandbox.zygotes, bytes: sandbox.zygoteMemoryMb * 1_048_576 };
    const zygotes =
      base === null
        ? null
        : new ZygoteTree({ slot, base, twins, limits, stemCells: sandbox.stemCells, lifecycle, log });
    const assign: AssignContext = {
      scope,
      transport,
      reaper,
      socket,
      layout,
      limits: (definition) => containerLimits(definition, config),
      cores: availableParallelism(),
      cpuTime: dividesEnergy(config.energy),
      maxBodyBytes: config.transport.maxBodyBytes,
      outputBytes: sandbox.outputBytes,
      killGraceMs: sandbox.killGraceMs,
      gone,
    };
    notes.push(...python.notes, ...node.notes);
    const layers = new LayerInstaller(paths);
    return {
      paths,
      agents,
      layout,
      lock,
      python,
      node,
      cgroups,
      reaper,
      layers,
      assign,
      launcher,
      base,
      twins,
      zygotes,
      notes,
    };
  } catch (error) {
    if (made !== null) removeCgroupParents(made);
    socket.close();
    lock.release();
    throw error;
  }
}

/** Everything this worker made outside its process goes; its store stays. Containers are gone already. */
export async function disassemble(parts: Parts, options: ProcessBackendOptions, socket: AgentsSocket): Promise<void> {
  const { lifecycle } = options;
  const pids = slotsOf(parts).map((slot) => slot.pid);
  await Promise.all([
    parts.zygotes?.stop(),
    parts.launcher.stop(),
    parts.base?.stop(),
    ...parts.twins.map((twin) => twin.stop()),
  ]);
  await parts.reaper.settled();
  await lifecycle.run('awaitProcesses', { pids: pids.filter((pid) => pid > 0), graceMs: 1500, limitMs: 5000 });
  await parts.cgroups.close();
  await options.networks?.stop();
  socket.close();
  removeCgroupParents(parts.layout);
  const { paths } = parts;
  for (const folder of [paths.staging, paths.run, paths.temporary]) {
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
  }
  parts.lock.release();
}

export function slotsOf(parts: Parts): SpawnerSlot[] {
  return [
    parts.launcher,
    ...(parts.base === null ? [] : [parts.base]),
    ...parts.twins,
    ...(parts.zygotes?.slots() ?? []),
  ];
}

function baseZygote(
  slot: Omit<SpawnerSlotOptions, 'name' | 'begin' | 'restart'>,
  python: NonNullable<FoundInterpreter['interpreter']>,
  setting: SpawnerSetting,
): SpawnerSlot {
  const name = 'python';
  return new SpawnerSlot({
    ...slot,
    name,
    restart: true,
    begin: (spawner) => spawner.launch(zygoteCommand(name, python, setting)),
  });
}

/** They share the base's memory as far as neither writes to it, and are forked again when they end. */
function twinsOf(
  slot: Omit<SpawnerSlotOptions, 'name' | 'begin' | 'restart'>,
  base: SpawnerSlot,
  count: number,
): SpawnerSlot[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `python-twin-${index + 1}`;
    return new SpawnerSlot({
      ...slot,
      name,
      restart: true,
      begin: (spawner) => {
        const fork = (): void => forkZygote(base, spawner, { name, path: [], imports: [] });
        if (base.up) fork();
        else base.whenUp(fork);
      },
    });
  });
}

/** Moves into cgroups then cost a twentieth. The switch outlives the mount that sets it, and the host's own mounts are not touched. */
function favorDynmods(paths: BackendPaths, notes: string[]): void {
  const mountPoint = join(paths.dataDir, 'run', 'favordynmods');
  try {
    mkdirSync(mountPoint, { recursive: true, mode: 0o700 });
    const suffix = createHash('sha256').update(`${process.pid} ${paths.dataDir}`).digest('hex').slice(0, 8);
    native().cgroup.favorDynmods(mountPoint, `iluvatar-${suffix}`);
  } catch (error) {
    notes.push(
      `cgroups: moving into them is slow here, stem cells hide it (favordynmods: ${(error as Error).message})`,
    );
  } finally {
    rmSync(mountPoint, { recursive: true, force: true });
  }
}
