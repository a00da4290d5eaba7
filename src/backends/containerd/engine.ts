import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { IluvatarError } from '../../core/errors.js';
import { nativeFile } from '../../native.js';
import { Status } from '../../rpc/gen/task.js';
import type { Activity } from '../activity.js';
import { closeAll, type KeepableContainer } from '../kept.js';
import type { BackendLog } from '../log.js';
import type {
  ContainerPlan,
  EngineEvents,
  EngineHealth,
  FoundImage,
  KeptInEngine,
  NamedImage,
  OciEngine,
} from '../oci/engine.js';
import { ContainerdClient, ContainerdError } from './client.js';
import { TaskEvents } from './events.js';
import { type ContainerdFacts, containerdFacts } from './facts.js';
import { type ContainerdImage, ContainerdImages, type ImageName } from './images.js';
import { ContainerOutputs, type OutputSink } from './output.js';
import { ContainerRoots } from './roots.js';
import { runtimeSpec } from './spec.js';
import { exitOf, removeContainer, SPEC_TYPE } from './tasks.js';

/** containerd as a container engine: its own namespace, images under leases, tasks with the worker's shim, exits from the event stream. */
export interface ContainerdEngineOptions {
  readonly address: string;
  readonly namespace: string;
  readonly snapshotter: string;
  /** `iluvatar`, or the name of an installed runtime. */
  readonly runtime: string;
  /** The worker's mark on everything of its own. */
  readonly scope: string;
  /** For pipes, upper layers, and the shim's socket; made when missing. */
  readonly folder: string;
  readonly seccomp: boolean;
  readonly openFiles: number;
  readonly log: BackendLog;
  /** Its stream of events. */
  readonly activity: Activity;
}

const OWNER = 'dev.iluvatar.worker';
const START_LIMIT_MS = 5_000;
/** Then it is killed and deleted without the word of its end, which may be lost. */
const EXIT_WAIT_MS = 1_000;
const MOMENTS_MS = 500;
const BACK_POLL_MS = 10;

export class ContainerdEngine implements OciEngine<ContainerdImage> {
  readonly name = 'containerd';
  readonly #options: ContainerdEngineOptions;
  readonly #client: ContainerdClient;
  readonly #images: ContainerdImages;
  readonly #roots: ContainerRoots;
  readonly #outputs: ContainerOutputs;
  /** Started and not known to have ended. */
  readonly #live = new Set<string>();
  /** Those whose end somebody waits for. */
  readonly #ending = new Map<string, () => void>();
  /** Of which the daemon has heard, and not of the end; null = nobody knows of what image. */
  readonly #asked = new Map<string, ImageName | null>();
  /** Made by an earlier process, and not adopted yet. */
  readonly #kept = new Map<string, ContainerdFacts>();
  #looking = false;
  readonly #ownShim: boolean;
  readonly #runtime: string;
  #events: EngineEvents | null = null;
  #stream: TaskEvents | null = null;
  #away: string | null = 'not started';
  #awaySince = 0;
  #opened = 0;
  #starting = false;

  constructor(options: ContainerdEngineOptions) {
    this.#options = options;
    const { address, namespace, scope, snapshotter, folder } = options;
    this.#client = new ContainerdClient({ address, namespace });
    this.#images = new ContainerdImages(this.#client, { snapshotter, scope });
    this.#roots = new ContainerRoots(join(folder, 'roots'));
    this.#outputs = new ContainerOutputs(join(folder, 'output'));
    this.#ownShim = options.runtime === 'iluvatar';
    this.#runtime = this.#ownShim ? nativeFile('containerd-shim-iluvatar-v1') : options.runtime;
  }

  async start(events: EngineEvents, kept: readonly KeptInEngine[] = []): Promise<void> {
    const { folder, log, activity } = this.#options;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const { name, facts } of kept) {
      const { data } = containerdFacts.safeParse(facts);
      if (data === undefined) continue;
      this.#kept.set(name, data);
      this.#images.spare(name, data.image);
    }
    this.#outputs.open([...this.#kept.values()].map(({ output }) => output));
    await this.#roots.open();
    this.#events = events;
    const client = this.#client;
    this.#stream = new TaskEvents({
      client,
      log,
      exited: (container, status) => this.#exited(container, status),
      opened: () => this.#back(),
      lost: (reason) => {
        if (this.#away === null) {
          activity.failed('lost', reason);
          this.#awaySince = Date.now();
        }
        this.#away = reason;
      },
    });
    this.#starting = true;
    await this.#stream.open();
    this.#starting = false;
    if (this.#away !== null) log.warn({ reason: this.#away }, 'containerd cannot be reached; it is tried again');
  }

  importImage(image: NamedImage, progress: (line: string) => void): Promise<ContainerdImage> {
    return this.#images.import(image, progress);
  }

  findImage(reference: string): Promise<FoundImage<ContainerdImage> | null> {
    return this.#images.find(reference);
  }

  releaseImage(image: ContainerdImage): Promise<void> {
    return this.#images.release(image);
  }

  snapshot({ name, fn }: ContainerPlan<ContainerdImage>): Promise<void> {
    return this.#roots.prepare(name, fn.readOnlyRoot);
  }

  async create(plan: ContainerPlan<ContainerdImage>): Promise<void> {
    // Said soon: whoever has another backend must not wait for one that is away.
    if (this.#away !== null) await this.#awaitBack();
    if (this.#away !== null) {
      throw new IluvatarError('unavailable', `containerd at ${this.#options.address} is away: ${this.#away}`);
    }
    this.#asked.set(plan.name, plan.fn.image);
    try {
      await this.#watched(this.#create(plan));
    } catch (error) {
      const refused = error instanceof ContainerdError && !error.transient;
      if (!refused || !(await this.#images.restore(plan.fn.image))) throw error;
      // It was refused because somebody has taken its image away, which is there again.
      await this.remove(plan.name);
      await this.snapshot(plan);
      await this.#watched(this.#create(plan));
    }
  }

  async run({ name }: ContainerPlan<ContainerdImage>): Promise<number> {
    const { tasks } = this.#client;
    this.#live.add(name);
    const request = { containerId: name, execId: '' };
    const { pid } = await this.#watched(this.#client.call('Tasks.Start', tasks.start, tasks, request));
    return pid;
  }

  async remove(name: string): Promise<void> {
    // What it never heard of need not wait for it to be back.
    if (this.#away !== null && !this.#asked.has(name)) return;
    try {
      if (this.#live.has(name) && this.#away === null) await this.#ended(name);
      await this.#watched(removeContainer(this.#client, name, this.#runtime));
      this.#asked.delete(name);
      await this.#images.gone(name);
    } finally {
      this.#live.delete(name);
      this.#outputs.give(name);
      await this.#roots.remove(name);
    }
  }

  keepable(name: string): KeepableContainer | null {
    const image = this.#asked.get(name) ?? null;
    const pipes = this.#outputs.keepable(name);
    if (image === null || pipes === null || !this.#live.has(name)) return null;
    const { reference, digest } = image;
    const facts: ContainerdFacts = { image: { reference, digest }, output: pipes.folder };
    return { facts, fds: pipes.fds };
  }

  adopt(name: string, fds: readonly number[]): boolean {
    const facts = this.#kept.get(name);
    this.#kept.delete(name);
    this.#asked.set(name, facts?.image ?? null);
    this.#live.add(name);
    this.#lookSoon();
    if (facts === undefined) {
      closeAll(fds);
      return false;
    }
    try {
      const sink: OutputSink = (stream, chunk) => this.#events?.output(name, stream, chunk);
      this.#outputs.adopt(name, { folder: facts.output, fds }, sink);
      return true;
    } catch {
      return false;
    }
  }

  async list(): Promise<string[]> {
    const { containers } = this.#client;
    const filters = [`labels."${OWNER}"==${this.#options.scope}`];
    const found = await this.#client.call('Containers.List', containers.list, containers, { filters });
    return found.containers.map(({ id }) => id);
  }

  health(): EngineHealth {
    const { address, runtime } = this.#options;
    const notes =
      this.#away === null
        ? []
        : [
            `containerd at ${address} is away: ${this.#away}. Start it, or set backends.containerd.address; it is tried again`,
          ];
    const counters = { reconnects: Math.max(0, this.#opened - 1), outputsInUse: this.#outputs.inUse };
    if (!this.#ownShim) notes.push(`containers start slowly: the runtime is ${runtime} (backends.containerd.runtime)`);
    return { healthy: this.#away === null, notes, counters };
  }

  async stop(): Promise<void> {
    this.#stream?.close();
    this.#stream = null;
    if (this.#away === null) {
      await this.#images.releaseAll().catch((error: Error) => {
        this.#options.log.warn({ reason: error.message }, 'images of the worker are left in containerd');
      });
    }
    this.#away = 'stopped';
    this.#events = null;
    this.#outputs.close();
    this.#client.close();
    // Of a start that was given up: pipes and roots of containers that nobody has adopted yet are theirs still.
    if (this.#kept.size === 0) rmSync(this.#options.folder, { recursive: true, force: true });
  }

  async #create(plan: ContainerPlan<ContainerdImage>): Promise<void> {
    const { name, fn } = plan;
    const { containers, tasks } = this.#client;
    const { scope, folder, snapshotter, seccomp, openFiles } = this.#options;
    const rootfs = this.#roots.mounts(name, await this.#images.mounts(fn.image), fn.readOnlyRoot);
    const output = this.#outputs.take(name, (stream, chunk) => this.#events?.output(name, stream, chunk));
    const shimSocket = join(folder, 'shim.sock');
    const spec = runtimeSpec(plan, { ownShim: this.#ownShim, shimSocket, seccomp, openFiles });
    const container = {
      id: name,
      labels: { [OWNER]: scope, 'dev.iluvatar.function': fn.key },
      image: fn.image.reference,
      runtime: { name: this.#runtime, options: undefined },
      spec: { typeUrl: SPEC_TYPE, value: Buffer.from(JSON.stringify(spec)) },
      snapshotter,
      snapshotKey: '',
    };
    await this.#client.call('Containers.Create', containers.create, containers, { container });
    await this.#client.call('Tasks.Create', tasks.create, tasks, {
      containerId: name,
      rootfs,
      stdin: '',
      stdout: output.stdout,
      stderr: output.stderr,
      terminal: false,
      options: undefined,
    });
  }

  /** The stream of events is open: what ended while it was not is found by looking. */
  async #back(): Promise<void> {
    const { log } = this.#options;
    const version = await this.#client.reach(START_LIMIT_MS);
    await this.#client.ensureNamespace();
    await this.#tellEnded();
    const again = this.#opened > 0;
    // Before the first registration: what an earlier run of this worker held, whose containers the backend removes next.
    if (!again) await this.#images.sweep();
    this.#opened++;
    this.#away = null;
    this.#options.activity.running();
    log.info({ version, again }, 'containerd answers');
    await this.#images.removeLeft();
    if (!this.#starting) this.#events?.back();
  }

  async #tellEnded(): Promise<void> {
    // Taken before the list is asked for: what is started meanwhile may be missing from it.
    const live = [...this.#live];
    const { tasks } = this.#client;
    const found = await this.#client.call('Tasks.List', tasks.list, tasks, { filter: '' });
    const known = new Map(found.tasks.map((task) => [task.id, task]));
    for (const name of live) {
      const task = known.get(name);
      // Gone without a trace: the engine forgot it, or somebody else removed it.
      if (task === undefined) this.#exited(name, UNKNOWN_STATUS);
      else if (task.status === Status.STOPPED) this.#exited(name, task.exitStatus);
    }
  }

  /** Once for all that are adopted in this turn. What is not answered is asked when the daemon is back. */
  #lookSoon(): void {
    if (this.#looking || this.#away !== null) return;
    this.#looking = true;
    setImmediate(() => {
      this.#looking = false;
      this.#watched(this.#tellEnded()).catch((error: Error) => {
        this.#options.log.warn({ reason: error.message }, 'containerd did not say what runs');
      });
    });
  }

  /** One that restarts, or has cut a connection, is back within moments: not worth an attempt. */
  async #awaitBack(): Promise<void> {
    while (this.#away !== null && Date.now() - this.#awaySince < MOMENTS_MS) await sleep(BACK_POLL_MS);
  }

  /** A call that nobody answered tells that the daemon stands still. */
  async #watched<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      if (error instanceof ContainerdError && error.unavailable) void this.#stream?.doubt();
      throw error;
    }
  }

  #exited(name: string, status: number): void {
    if (!this.#live.delete(name)) return;
    this.#ending.get(name)?.();
    this.#events?.exited(name, exitOf(status));
  }

  /** It has been killed: its exit is waited for, for a while, since a task that still runs cannot be deleted. */
  #ended(name: string): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(late);
        this.#ending.delete(name);
        resolve();
      };
      const late = setTimeout(done, EXIT_WAIT_MS);
      this.#ending.set(name, done);
    });
  }
}

/** As a shell has it for a killed process. */
const UNKNOWN_STATUS = 137;
