import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { IluvatarError } from '../../core/errors.js';
import type { Activity } from '../activity.js';
import { hierarchies, removeFolders } from '../cgroups/hierarchies.js';
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
import type { ContainerDetails, ContainerSummary, DockerEvent, Info } from './api.js';
import type { DockerClient } from './client.js';
import { type ContainerOptions, createRequest } from './create-request.js';
import { DockerError, ignore } from './error.js';
import { EventStream } from './events.js';
import { ExitWatch } from './exits.js';
import { type DockerFacts, dockerFacts } from './facts.js';
import { type DockerImage, DockerImages } from './images.js';
import { LABELS } from './labels.js';
import type { DockerNetworks } from './networks.js';
import { ContainerOutput } from './output.js';

/** Docker as a container engine: the daemon is asked over its socket, and tells of exits itself. */
export interface DockerEngineOptions {
  /** Closed with the engine. */
  readonly client: DockerClient;
  /** Of this worker: the mark of all that is its own. */
  readonly scope: string;
  readonly container: ContainerOptions;
  readonly log: BackendLog;
  /** Its stream of events. */
  readonly activity: Activity;
  /** Started and stopped with the engine; null = no container has an address of its own. */
  readonly networks?: DockerNetworks | null;
}

/** Attempts to remove a container whose file system is still busy, or that the daemon is at already; the pauses grow to some 6 s in all. */
const REMOVALS = 8;
const FIRST_PAUSE_MS = 50;

/** What is needed of a container's plan once it has been made. */
type Placed = Pick<ContainerPlan, 'cgroupPath' | 'cgroupDirs' | 'network'>;

export class DockerEngine implements OciEngine<DockerImage> {
  readonly name = 'docker';
  readonly #client: DockerClient;
  readonly #options: DockerEngineOptions;
  readonly #images: DockerImages;
  readonly #stream: EventStream;
  #events: EngineEvents | null = null;
  #exits: ExitWatch | null = null;
  #info: Info | null = null;
  #hierarchies: readonly string[] = [];
  readonly #plans = new Map<string, Placed>();
  /** Made by an earlier process, and not adopted yet. */
  readonly #kept = new Map<string, KeptInEngine>();
  #looking = false;
  #created = 0;
  #removed = 0;

  constructor(options: DockerEngineOptions) {
    this.#options = options;
    this.#client = options.client;
    this.#images = new DockerImages(this.#client, options.scope);
    this.#stream = new EventStream(this.#client, {
      filters: {
        type: ['container'],
        label: [`${LABELS.worker}=${options.scope}`],
        event: ['die', 'oom', 'destroy'],
      },
      event: (event) => this.#event(event),
      connected: () => this.#connected(),
      lost: (reason) => options.activity.failed('lost', reason),
    });
  }

  async start(events: EngineEvents, kept: readonly KeptInEngine[] = []): Promise<void> {
    for (const one of kept) this.#kept.set(one.name, one);
    this.#hierarchies = hierarchies(await readFile('/proc/self/mounts', 'utf8'));
    this.#events = events;
    this.#exits = new ExitWatch(this.#client, events);
    await this.#stream.start();
  }

  importImage(image: NamedImage, progress: (line: string) => void): Promise<DockerImage> {
    return this.#images.import(image, progress);
  }

  findImage(reference: string): Promise<FoundImage<DockerImage> | null> {
    return this.#images.find(reference);
  }

  releaseImage(image: DockerImage): Promise<void> {
    return this.#images.release(image);
  }

  /** Docker makes it with the container. */
  async snapshot(): Promise<void> {}

  async create(plan: ContainerPlan<DockerImage>): Promise<void> {
    const exits = this.#started();
    const { name } = plan;
    const body = createRequest(plan, {
      ...this.#options.container,
      scope: this.#options.scope,
      cgroupParents: this.#cgroupParents(await this.#daemon()),
    });
    const { cgroupPath, cgroupDirs, network } = plan;
    this.#plans.set(name, { cgroupPath, cgroupDirs, network });
    let id: string | null = null;
    try {
      const made = await this.#client.call<{ Id: string }>('POST', '/containers/create', { query: { name }, body });
      id = made.Id;
      const output = new ContainerOutput(this.#client, id, (stream, chunk) => exits.output(name, stream, chunk));
      exits.add(name, id, output);
      await output.attach();
      this.#created++;
    } catch (error) {
      // The name is somebody else's: theirs must not be removed for it.
      const taken = id === null && error instanceof DockerError && error.conflict;
      if (taken) this.#plans.delete(name);
      else await this.#undo(name);
      throw explained(error as Error);
    }
  }

  async run({ name, network }: ContainerPlan<DockerImage>): Promise<number> {
    const exits = this.#started();
    const id = exits.starting(name);
    try {
      await this.#client.call('POST', `/containers/${id}/start`);
      if (network !== null) await this.#options.networks?.attached(network.name);
      const { State } = await this.#client.call<ContainerDetails>('GET', `/containers/${id}/json`);
      return State.Pid;
    } catch (error) {
      exits.notStarted(name);
      throw explained(error as Error);
    }
  }

  async remove(name: string): Promise<void> {
    const watched = this.#exits?.removing(name) ?? null;
    const plan = this.#plans.get(name);
    let path = plan?.cgroupPath ?? '';
    let id = watched;
    if (id === null) {
      const found = await this.#find(name);
      id = found?.Id ?? null;
      path = path === '' ? (found?.Config.Labels?.[LABELS.cgroup] ?? '') : path;
    }
    if (id !== null) await this.#removeNow(id);
    this.#exits?.gone(name);
    this.#plans.delete(name);
    if (path !== '') await removeFolders(this.#hierarchies, path, plan?.cgroupDirs ?? []);
    if (id !== null) {
      this.#removed++;
      await this.#images.removeUnused();
    }
  }

  /** One in a network of ours is not: its address would be given to another (docs/docker.md). */
  keepable(name: string): KeepableContainer | null {
    const id = this.#exits?.runningId(name) ?? null;
    const placed = this.#plans.get(name);
    if (id === null || placed === undefined || placed.network !== null) return null;
    const facts: DockerFacts = { id };
    return { facts, fds: [] };
  }

  adopt(name: string, fds: readonly number[]): boolean {
    const exits = this.#started();
    // Its output is the daemon's to give.
    closeAll(fds);
    const kept = this.#kept.get(name);
    this.#kept.delete(name);
    const { data } = dockerFacts.safeParse(kept?.facts);
    if (kept === undefined || data === undefined) return false;
    const { cgroupPath, cgroupDirs } = kept;
    this.#plans.set(name, { cgroupPath, cgroupDirs, network: null });
    const output = new ContainerOutput(this.#client, data.id, (stream, chunk) => exits.output(name, stream, chunk));
    exits.add(name, data.id, output);
    exits.starting(name);
    this.#lookSoon(exits);
    return true;
  }

  async list(): Promise<string[]> {
    return (await this.#own()).map(({ Names }) => (Names[0] ?? '').slice(1)).filter((name) => name !== '');
  }

  health(): EngineHealth {
    const { failure, connections } = this.#stream;
    const notes: string[] = [];
    if (failure !== null)
      notes.push(
        `Docker at ${this.#client.socket} does not answer: ${failure}. Start it, or set backends.docker.socket; it is tried again`,
      );
    const info = this.#info;
    if (info !== null && !this.#cgroupParents(info)) {
      notes.push(
        `Docker uses the cgroup driver "${info.CgroupDriver}": its containers are not below the worker's cgroups, and only Docker's own limits hold`,
      );
    }
    if (info !== null && !info.LiveRestoreEnabled) {
      notes.push('Docker has live-restore off: when it restarts, its containers end');
    }
    if (info !== null && !(info.SecurityOptions ?? []).some((option) => option.startsWith('name=seccomp'))) {
      notes.push('Docker has no seccomp here: system calls of its containers are not filtered');
    }
    const counters = {
      engineConnections: connections,
      engineContainers: this.#exits?.size ?? 0,
      engineCreated: this.#created,
      engineRemoved: this.#removed,
      engineImages: this.#images.size,
      engineImagesLoaded: this.#images.loaded,
    };
    return { healthy: failure === null, notes, counters };
  }

  async stop(): Promise<void> {
    const reachable = this.#stream.failure === null;
    await this.#stream.stop();
    if (reachable) {
      await this.#images.removeAll().catch((error: Error) => {
        this.#options.log.warn({ reason: error.message }, 'images of the worker are left in Docker');
      });
      await this.#options.networks?.stop().catch((error: Error) => {
        this.#options.log.warn({ reason: error.message }, 'networks of the worker are left in Docker');
      });
    }
    this.#exits?.close();
    this.#client.close();
  }

  /** What was missed while there was no stream is found in one list. */
  async #connected(): Promise<void> {
    // A daemon that was restarted may have been given other options.
    this.#info = await this.#client.call<Info>('GET', '/info');
    this.#options.activity.running();
    await this.#exits?.catchUp(() => this.#own());
    // Networks of an earlier life are looked for once, by whichever answer of the daemon is the first.
    if (this.#stream.connections === 0) await this.#options.networks?.start();
    else this.#events?.back();
  }

  /** Once for all that are adopted in this turn. What is not answered is asked when the daemon is back. */
  #lookSoon(exits: ExitWatch): void {
    if (this.#looking || this.#stream.failure !== null) return;
    this.#looking = true;
    setImmediate(() => {
      this.#looking = false;
      exits
        .catchUp(() => this.#own())
        .catch((error: Error) => this.#options.log.warn({ reason: error.message }, 'Docker did not say what runs'));
    });
  }

  #event({ Action, Actor }: DockerEvent): void {
    if (Action === 'oom') this.#exits?.outOfMemory(Actor.ID);
    else if (Action === 'die') this.#exits?.died(Actor.ID, Number(Actor.Attributes['exitCode']));
    else if (Action === 'destroy') this.#exits?.died(Actor.ID, null);
  }

  #own(): Promise<ContainerSummary[]> {
    const filters = { label: [`${LABELS.worker}=${this.#options.scope}`] };
    return this.#client.call('GET', '/containers/json', { query: { all: true, filters } });
  }

  /** Of this worker's, by name. */
  async #find(name: string): Promise<ContainerDetails | null> {
    const found = await this.#client
      .call<ContainerDetails>('GET', `/containers/${name}/json`)
      .catch(ignore(({ notFound }) => notFound));
    return found?.Config.Labels?.[LABELS.worker] === this.#options.scope ? found : null;
  }

  async #undo(name: string): Promise<void> {
    await this.remove(name).catch((error: Error) => {
      this.#options.log.warn({ container: name, reason: error.message }, 'a container that failed is left in Docker');
    });
  }

  /** Resolves when there is no such container any more. */
  async #removeNow(id: string): Promise<void> {
    const query = { force: true, v: true };
    let pause = FIRST_PAUSE_MS;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#client.call('DELETE', `/containers/${id}`, { query });
        return;
      } catch (error) {
        if (!(error instanceof DockerError)) throw error;
        if (error.notFound) return;
        // Conflict: somebody is removing it already, or its processes have not ended yet.
        if (attempt === REMOVALS || !(error.conflict || error.transient)) throw error;
      }
      await sleep(pause);
      pause *= 2;
    }
  }

  #cgroupParents({ CgroupDriver }: Info): boolean {
    return CgroupDriver === 'cgroupfs';
  }

  async #daemon(): Promise<Info> {
    this.#info ??= await this.#client.call<Info>('GET', '/info');
    return this.#info;
  }

  #started(): ExitWatch {
    if (this.#exits === null) throw new IluvatarError('unavailable', 'the Docker engine is not started');
    return this.#exits;
  }
}

/** What Docker says of what only people can mend, in words that say how. */
function explained(error: Error): Error {
  if (!(error instanceof DockerError)) return error;
  if (/could not select device driver/.test(error.reason)) {
    const what = 'install the NVIDIA container toolkit and restart it, or register the function for `devices: ["cpu"]`';
    return new IluvatarError('unavailable', `Docker cannot give a container a GPU: ${what} (${error.reason})`);
  }
  if (/no such image/i.test(error.reason)) {
    return new IluvatarError('unavailable', `${error.reason}: it was removed from Docker; register the function again`);
  }
  return error;
}
