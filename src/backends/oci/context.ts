import type { FunctionDefinition } from '../../config/api.js';
import type { Transport } from '../../transport/transport.js';
import type { BackendContainer } from '../backend.js';
import type { CgroupLayout } from '../cgroups/layout.js';
import type { ContainerLimits } from '../cgroups/limits.js';
import type { Cgroup } from '../cgroups/pool.js';
import type { BackendLog } from '../log.js';
import type { Networks } from '../networks.js';
import type { EngineExit, OciEngine } from './engine.js';
import type { Stages } from './stage.js';

/** A container as its backend sees it. */
export interface EngineContainer extends BackendContainer {
  /** As the engine knows it; '' = it has no name yet. */
  readonly engineName: string;
  readonly cgroupDirs: readonly string[];
  /** Its first process has ended. */
  exited(exit: EngineExit): void;
  wrote(stream: 'stdout' | 'stderr', chunk: Buffer): void;
}

/** What containers of one engine share. */
export interface OciContext {
  readonly worker: string;
  /** `<worker>.<engine>`: everything of this backend carries it. */
  readonly scope: string;
  readonly engine: OciEngine;
  readonly transport: Transport;
  readonly stages: Stages;
  readonly layout: CgroupLayout;
  /** Below each hierarchy's mount: `/iluvatar/<scope>`. */
  readonly cgroupPath: string;
  /** null = there is no network "bridge". */
  readonly networks: Networks | null;
  /** Host folder with one folder of sockets per container. */
  readonly sockets: string;
  readonly maxBodyBytes: number;
  readonly killGraceMs: number;
  /** Of this machine. */
  readonly cores: number;
  /** Measure the CPU time of runs. */
  readonly cpuTime: boolean;
  readonly log: BackendLog;
  takeCgroup(): Promise<Cgroup>;
  limits(definition: FunctionDefinition): ContainerLimits;
  /** Never rejects. */
  removeCgroup(cgroup: Cgroup): Promise<void>;
  removeFolder(folder: string): Promise<void>;
  strangerRefused(): void;
  /** The engine will know it by `engineName` from now on. */
  named(container: EngineContainer): void;
  gone(container: EngineContainer): void;
  /** The engine could not remove one that is gone otherwise. */
  leftBehind(): void;
}
