import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { IluvatarError } from '../../core/errors.js';
import type { ContainerFailure } from '../../core/ports.js';
import { type CgroupEvidence, native } from '../../native.js';
import type { Connection, ConnectionHandler } from '../../transport/transport.js';
import { AgentContainer } from '../agent/agent-container.js';
import { freePort, HttpChannel } from '../agent/http-channel.js';
import { LegacySocketChannel } from '../agent/legacy-socket-channel.js';
import { SocketFolder } from '../agent/socket-folder.js';
import type { ContainerEvents } from '../backend.js';
import { applyLimits } from '../cgroups/apply-limits.js';
import type { Cgroup } from '../cgroups/pool.js';
import { runMeterFor } from '../cgroups/run-meter.js';
import type { NamespaceSource, NetworkLease } from '../networks.js';
import { AgentDoor } from './agent-door.js';
import { withChildren } from './cgroup.js';
import type { OciContext } from './context.js';
import type { ContainerPlan, EngineExit, PlannedNetwork } from './engine.js';
import { containerEnvironment } from './environment.js';
import type { OciFunction } from './function.js';
import { takeLease } from './lease.js';
import { withUncountedKills } from './uncounted-kills.js';

/**
 * One container of an engine: made step by step, each step in its turn, and taken apart again from whichever step it got to. Its agent calls the worker through
 * a door of its own; its end is told by the engine.
 */

const LAST_WORD_MS = 500;
/** A busy engine tells an exit long after the kernel has closed the agent's connection. */
const EXIT_LIMIT_MS = 10_000;
/** Code that is not loaded by then waits for something rather than works: it gives its place to others, whom it would else hold up for as long as it likes. */
const LONGEST_LOADING_MS = 1_000;
/** Of an HTTP agent with an address of its own. */
const HTTP_PORT = 8080;

/** What a container has been given so far. */
interface Holdings {
  cgroup: Cgroup | null;
  network: NetworkLease | null;
  door: AgentDoor | null;
  /** The engine was asked to make it. */
  asked: boolean;
}

export class OciContainer extends AgentContainer {
  readonly fn: OciFunction;
  /** As the engine knows it; '' = it has no name yet. */
  engineName = '';
  /** Of its first process; 0 = not started. */
  pid = 0;
  readonly #id: number;
  readonly #placed: Readonly<Record<string, string>>;
  readonly #context: OciContext;
  readonly #holds: Holdings = { cgroup: null, network: null, door: null, asked: false };
  readonly #token = randomBytes(16).toString('hex');
  #connection: Connection | null = null;
  #outOfMemory: boolean | null = false;
  #killed = false;
  #making: Promise<void> = Promise.resolve();
  /** Aborted when it is taken apart: it waits for no stage's turn any more. */
  readonly #apart = new AbortController();
  #leftStageReady: () => void = () => {};
  #killTimer: NodeJS.Timeout | null = null;

  constructor(
    fn: OciFunction,
    placed: Readonly<Record<string, string>>,
    id: number,
    context: OciContext,
    events: ContainerEvents,
  ) {
    const { transport } = context;
    const { startupTimeoutMs } = fn.definition;
    super({ transport, events, startupTimeoutMs, lastWordMs: LAST_WORD_MS });
    this.fn = fn;
    this.#placed = placed;
    this.#id = id;
    this.#context = context;
  }

  get name(): string {
    const { worker, engine } = this.#context;
    return `${worker}/${engine.name}-${this.#holds.cgroup?.name ?? `waiting-${this.#id}`}`;
  }

  get cgroupDirs(): readonly string[] {
    return this.#holds.cgroup?.dirs ?? [];
  }

  keepable(): null {
    return null;
  }

  start(): void {
    this.#making = this.#make().catch((error: unknown) => this.fail(failureOf(error)));
  }

  /** Its first process has ended. */
  exited({ code, signal, outOfMemory }: EngineExit): void {
    this.#outOfMemory = outOfMemory;
    this.exitKnown({ code, signal, message: null, step: null });
    this.bodyEnded();
  }

  wrote(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    this.output(stream, chunk);
  }

  protected override becameReady(): void {
    this.#leftStageReady();
  }

  protected override get agentConnected(): boolean {
    return this.#connection?.open === true;
  }

  /** An old agent cannot be asked: what its server makes of signals is its own affair. */
  protected override interrupt(_requestId: number): void {
    const { killGraceMs } = this.#context;
    if (this.fn.definition.server !== 'framed' || killGraceMs === 0 || !this.#signal(SIGUSR2)) {
      this.kill();
      return;
    }
    this.#killTimer ??= setTimeout(() => this.kill(), killGraceMs);
  }

  /** Through its cgroup where it has one: that reaches all of it, and works while the engine is away. */
  protected override kill(): void {
    const { layout, log } = this.#context;
    this.#killed = true;
    try {
      if (this.cgroupDirs.length > 0) {
        const { dirs, versions } = withChildren(this.cgroupDirs, layout.versions);
        native().cgroup.killAll(dirs, versions);
      } else this.#signal(SIGKILL);
    } catch (error) {
      log.warn({ container: this.name, reason: (error as Error).message }, 'a container could not be killed at once');
    }
  }

  protected override async release(): Promise<void> {
    const { engine, log, gone, leftBehind } = this.#context;
    let left = false;
    if (this.#killTimer !== null) clearTimeout(this.#killTimer);
    this.#leftStageReady();
    this.#holds.door?.close();
    this.#connection?.close();
    this.#apart.abort();
    // Whatever step is under way ends first: two hands on one container leave half of it.
    await this.#making;
    // Before the engine is asked to: it then finds it ended, and has one thing less to do.
    if (this.pid > 0) this.kill();
    try {
      if (this.#holds.asked) await engine.remove(this.engineName);
    } catch (error) {
      left = true;
      log.error({ container: this.name, reason: (error as Error).message }, 'a container could not be removed');
    }
    await this.#giveBack();
    gone(this);
    if (left) leftBehind();
  }

  /** Nothing of it runs any more: then the engine will tell. What still runs has closed its connection and will not tell anything. */
  protected override awaitsExit(waitedMs: number): boolean {
    if (waitedMs >= EXIT_LIMIT_MS || this.cgroupDirs.length === 0) return false;
    try {
      return native().cgroup.pids(withChildren(this.cgroupDirs, this.#context.layout.versions).dirs).length === 0;
    } catch {
      return false;
    }
  }

  protected override evidence(): CgroupEvidence | null {
    if (this.cgroupDirs.length === 0) return null;
    try {
      const found = native().cgroup.evidence([...this.cgroupDirs], [...this.#context.layout.versions]);
      return withUncountedKills(found, this.#outOfMemory, this.#killed);
    } catch {
      return null;
    }
  }

  async #make(): Promise<void> {
    const { stages, engine } = this.#context;
    const plan = await this.#plan();
    if (plan === null) return;
    this.#holds.asked = true;
    const { signal } = this.#apart;
    await stages.snapshot.run(() => this.#unlessEnded(() => engine.snapshot(plan)), signal);
    await stages.create.run(() => this.#unlessEnded(() => engine.create(plan)), signal);
    await stages.ready.run(() => this.#unlessEnded(() => this.#startAndLoad(plan)), signal);
  }

  /** From its first process on it takes the machine's time: its place among those that load is taken before. */
  async #startAndLoad(plan: ContainerPlan): Promise<void> {
    const { stages, engine } = this.#context;
    const step = (): Promise<void> =>
      this.#unlessEnded(async () => {
        // Its agent may call before the engine has answered.
        this.begun();
        this.pid = await engine.run(plan);
      });
    await stages.start.run(step, this.#apart.signal);
    if (this.phase !== 'loading') return;
    this.#openChannel(plan);
    await this.#untilLoaded();
  }

  /** Everything that it needs before the engine hears of it; null = it has ended meanwhile. */
  async #plan(): Promise<ContainerPlan | null> {
    const { fn } = this;
    const context = this.#context;
    const cgroup = await context.takeCgroup();
    this.#holds.cgroup = cgroup;
    const limits = context.limits(fn.definition);
    applyLimits(context.layout, cgroup, limits, OWN_PROCESSES);
    this.meter = runMeterFor(context.layout, cgroup.dirs, limits, context.cores);
    this.engineName = `${context.scope}-${cgroup.name}`;
    context.named(this);
    const namespaces = this.#namespaces();
    if (namespaces !== null) {
      this.#holds.network = await context.stages.network.run(() => takeLease(namespaces), this.#apart.signal);
    }
    if (this.#ended) return null;
    const sockets = fn.definition.server === 'framed' ? join(context.sockets, cgroup.name) : null;
    if (sockets !== null) await mkdir(sockets, { recursive: true, mode: 0o755 });
    if (this.#ended) return null;
    const port = fn.definition.network === 'host' && fn.definition.server === 'http' ? await freePort() : HTTP_PORT;
    if (sockets !== null) this.#openDoor(sockets);
    return {
      name: this.engineName,
      fn,
      env: containerEnvironment(fn, this.#placed, {
        container: cgroup.name,
        token: this.#token,
        address: this.#holds.network?.address ?? null,
        host: this.#host,
        port,
      }),
      cgroupPath: cgroup.dirs.length === 0 ? '' : `${context.cgroupPath}/${cgroup.name}`,
      cgroupDirs: cgroup.dirs,
      sockets,
      network: this.#network(),
      port,
    };
  }

  /** Where its network namespace comes from; null = the engine makes one, or it has the host's. */
  #namespaces(): NamespaceSource | null {
    const { networks } = this.#context;
    const { network } = this.fn.definition;
    if (networks === null || network === 'host') return null;
    return network === 'bridge' ? (networks.bridged as NamespaceSource) : networks.isolated;
  }

  #network(): PlannedNetwork | null {
    const { network } = this.#holds;
    const { networks } = this.#context;
    if (network === null || networks === null) return null;
    const { name, address } = network;
    return { name, path: join(networks.folder, name), address };
  }

  #openDoor(sockets: string): void {
    const before: ConnectionHandler = {
      frame: (connection, frame) => this.loadingFrame(connection, frame),
      closed: (_connection, reason) => this.agentEnded(reason),
    };
    const { transport, strangerRefused } = this.#context;
    this.#holds.door = new AgentDoor({
      transport,
      path: join(sockets, 'agents.sock'),
      container: (this.#holds.cgroup as Cgroup).name,
      token: this.#token,
      refused: strangerRefused,
      entered: (connection) => {
        this.#connection = connection;
        return before;
      },
    });
  }

  /** The way to speak to an old agent. */
  #openChannel({ port }: ContainerPlan): void {
    const { transport, maxBodyBytes } = this.#context;
    const { server } = this.fn.definition;
    if (server === 'legacy-socket') {
      this.channel = new LegacySocketChannel(transport, new SocketFolder(() => this.pid), this);
    } else if (server === 'http') {
      const takeBody = (payload: number): Buffer => {
        const body = transport.body(payload);
        transport.drop(payload);
        return body;
      };
      this.channel = new HttpChannel({ host: this.#host, port, maxBodyBytes, takeBody }, this);
    }
  }

  #untilLoaded(): Promise<void> {
    return new Promise((resolve) => {
      const late = setTimeout(resolve, LONGEST_LOADING_MS);
      this.#leftStageReady = () => {
        clearTimeout(late);
        resolve();
      };
      if (this.phase !== 'loading') this.#leftStageReady();
    });
  }

  async #unlessEnded(step: () => Promise<void>): Promise<void> {
    if (!this.#ended) await step();
  }

  /** Where it is reached. */
  get #host(): string {
    return this.#holds.network?.address ?? '127.0.0.1';
  }

  get #ended(): boolean {
    return this.phase === 'ended';
  }

  #signal(signal: number): boolean {
    try {
      return this.pid > 0 && native().system.kill(this.pid, signal);
    } catch {
      return false;
    }
  }

  async #giveBack(): Promise<void> {
    const { cgroup, network } = this.#holds;
    const { removeCgroup, removeFolder, sockets } = this.#context;
    if (cgroup === null) return;
    await removeFolder(join(sockets, cgroup.name));
    await removeCgroup(cgroup);
    if (network !== null) this.#namespaces()?.give(network);
  }
}

/** Its first process, which is not the function's. */
const OWN_PROCESSES = 1;
const SIGKILL = 9;
const SIGUSR2 = 12;

/** Why a step failed. Engines say of their errors whether another try makes sense, and whether anybody answered at all. */
function failureOf(error: unknown): ContainerFailure {
  const { message, transient = true, unavailable = false } = error as Error & EngineErrorKind;
  if (error instanceof IluvatarError) {
    return { errorClass: error.errorClass, message, details: error.details, transient };
  }
  return { errorClass: unavailable ? 'unavailable' : 'start_failed', message, details: null, transient };
}

interface EngineErrorKind {
  readonly transient?: boolean;
  readonly unavailable?: boolean;
}
