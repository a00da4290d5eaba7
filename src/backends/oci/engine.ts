import type { ImageConfig } from '../../images/documents.js';
import type { BuiltImage } from '../../images/image.js';
import type { LayerBytes } from '../../images/image-user.js';
import type { KeepableContainer } from '../kept.js';
import type { OciFunction } from './function.js';

/**
 * A container engine as the worker uses it: containerd, Docker. It knows images and containers by name and does what it is told; when and how many is decided
 * elsewhere. Not promised: that calls for one container may overlap (they do not), that an exit is told before a call that
 * failed because of it, or that anything is quick.
 */
export interface OciEngine<Image = unknown> {
  /** `containerd`, `docker`. */
  readonly name: string;
  /** Goes on trying in the background when the daemon is away. What `kept` need is spared: each of them is adopted later, or removed. */
  start(events: EngineEvents, kept?: readonly KeptInEngine[]): Promise<void>;
  /** Makes an image known to the engine and keeps it from being collected. Idempotent for the same digest. Rejects with an IluvatarError. */
  importImage(image: NamedImage, progress: (line: string) => void): Promise<Image>;
  /** An image that the engine has under this reference; null = it has none. */
  findImage(reference: string): Promise<FoundImage<Image> | null>;
  /** Once for each `importImage` and `findImage`. With the last of them the engine may forget what it was brought. */
  releaseImage(image: Image): Promise<void>;
  /** Its root file system, as far as that is made apart from the container. */
  snapshot(plan: ContainerPlan<Image>): Promise<void>;
  /** Everything after that, up to a container whose process waits to be started. After a failure it is removed by `remove`. */
  create(plan: ContainerPlan<Image>): Promise<void>;
  /** Resolves with the pid of its first process, in the worker's pid namespace. */
  run(plan: ContainerPlan<Image>): Promise<number>;
  /**
   * Ends what runs and removes all of it. Idempotent; also for what was never made. Rejects only when something is left; soon when the daemon is away, and what is
   * left then is listed when it is `back`.
   */
  remove(name: string): Promise<void>;
  /** What of a container that runs outlives this process in the hands of somebody else. null = it does not outlive it. */
  keepable(name: string): KeepableContainer | null;
  /**
   * Takes over one of those that `start` was told of, whether it still runs or not: its output is passed on, and its end told, also one that was before; neither from inside this call.
   * Closes what it cannot use of the descriptors. false = it is not whole, and there to be removed only.
   */
  adopt(name: string, fds: readonly number[]): boolean;
  /** Names of the containers that carry this worker's mark, whether it remembers them or not. */
  list(): Promise<string[]>;
  health(): EngineHealth;
  /** The daemon is left as it was found. */
  stop(): Promise<void>;
}

/** A container that an earlier process made, and that lives on. */
export interface KeptInEngine {
  readonly name: string;
  /** As in its plan. */
  readonly cgroupPath: string;
  readonly cgroupDirs: readonly string[];
  /** As `keepable` gave them; not checked yet. */
  readonly facts: unknown;
}

export interface EngineEvents {
  /** Its first process has ended. */
  exited(name: string, exit: EngineExit): void;
  output(name: string, stream: 'stdout' | 'stderr', chunk: Buffer): void;
  /** The daemon answers after an absence, also the first time if it did not when the engine was started. Exits that it missed have been told. */
  back(): void;
}

export interface EngineExit {
  readonly code: number;
  /** 0 = it exited by itself. */
  readonly signal: number;
  /** The engine saw the kernel's out-of-memory killer at work in it; null = it did not, and may have missed it. */
  readonly outOfMemory: boolean | null;
}

export interface EngineHealth {
  readonly healthy: boolean;
  /** Sentences for people. */
  readonly notes: readonly string[];
  readonly counters: Readonly<Record<string, number>>;
}

/** `layers`: lowest first, for the names of users in them; null = the engine does not give them out. */
export interface FoundImage<Image> {
  readonly image: Image;
  readonly config: ImageConfig;
  readonly digest: string;
  readonly layers: readonly LayerBytes[] | null;
}

/** An image with the name under which people will find it in the engine. */
export interface NamedImage {
  /** `docker.io/library/debian:12`, `iluvatar.local/hello:1` */
  readonly reference: string;
  readonly image: BuiltImage;
  readonly config: ImageConfig;
}

/** Everything that decides how one container is made. */
export interface ContainerPlan<Image = unknown> {
  /** Unique on this machine: `<worker scope>-<container>`. */
  readonly name: string;
  readonly fn: OciFunction<Image>;
  /** Whole; nothing of the worker's own. */
  readonly env: Readonly<Record<string, string>>;
  /** Of its cgroup in every hierarchy, below the mount: `/iluvatar/worker.containerd/c7`. '' = no cgroups. */
  readonly cgroupPath: string;
  /** Absolute folders of it, made and limited already. */
  readonly cgroupDirs: readonly string[];
  /** Host folder with the worker's socket, which it sees read-only at /iluvatar/sockets; null = its agent does not call the worker. */
  readonly sockets: string | null;
  /** null = the engine makes one with loopback alone, or it has the host's (`network: host`). */
  readonly network: PlannedNetwork | null;
  /** Where an HTTP agent is to listen. */
  readonly port: number;
}

export interface PlannedNetwork {
  /** Of its lease: the namespace's file, or the engine's own network. */
  readonly name: string;
  /** Of the namespace, which is mounted there; of no meaning where networks are the engine's. */
  readonly path: string;
  /** null = it has loopback alone. */
  readonly address: string | null;
}
