import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { IluvatarError } from '../../core/errors.js';
import type { ContainerFailure } from '../../core/ports.js';
import { failpoint } from '../../failpoints.js';
import type { CgroupEvidence } from '../../native.js';
import type { Connection, ConnectionHandler } from '../../transport/transport.js';
import { AgentContainer } from '../agent/agent-container.js';
import { freePort, HttpChannel } from '../agent/http-channel.js';
import { LegacySocketChannel } from '../agent/legacy-socket-channel.js';
import { SocketFolder } from '../agent/socket-folder.js';
import type { ContainerEvents } from '../backend.js';
import { applyLimits } from '../cgroups/apply-limits.js';
import { runMeterFor } from '../cgroups/run-meter.js';
import type { KeepableContainer } from '../kept.js';
import type { NamespaceSource } from '../networks.js';
import { keepBody, type OciFacts } from './adopt.js';
import { AgentDoor } from './agent-door.js';
import { OciBody } from './body.js';
import type { EngineContainer, OciContext } from './context.js';
import type { ContainerPlan, EngineExit, PlannedNetwork } from './engine.js';
import { containerEnvironment } from './environment.js';
import type { OciFunction } from './function.js';
import { takeLease } from './lease.js';

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

export class OciContainer extends AgentContainer implements EngineContainer {
  readonly fn: OciFunction;
  readonly #id: number;
  readonly #placed: Readonly<Record<string, string>>;
  readonly #context: OciContext;
  readonly #body: OciBody;
  readonly #token = randomBytes(16).toString('hex');
  #door: AgentDoor | null = null;
  #connection: Connection | null = null;
  /** Of an HTTP agent. */
  #port = HTTP_PORT;
  #outOfMemory: boolean | null = false;
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
    body = new OciBody(context),
    startupTimeoutMs = fn.definition.startupTimeoutMs,
  ) {
    const { transport } = context;
    super({ transport, events, startupTimeoutMs, lastWordMs: LAST_WORD_MS });
    this.fn = fn;
    this.#placed = placed;
    this.#id = id;
    this.#context = context;
    this.#body = body;
  }

  get name(): string {
    const { worker, engine } = this.#context;
    return `${worker}/${engine.name}-${this.#body.cgroup?.name ?? `waiting-${this.#id}`}`;
  }

  get engineName(): string {
    return this.#body.engineName;
  }

  get cgroupDirs(): readonly string[] {
    return this.#body.dirs;
  }

  keepable(): KeepableContainer | null {
    const framed = this.fn.definition.server === 'framed';
    if (this.phase !== 'ready' || (framed && !this.agentConnected)) return null;
    return keepBody(this.#body, framed ? this.#connection : null, this.#port, this.#context);
  }

  start(): void {
    this.#making = this.#make().catch((error: unknown) => this.fail(failureOf(error)));
  }

  /** It runs already, since an earlier process. `agent`: of its connection; null = it has none. `running`: invocations that it was given then and that had not ended. */
  takeOver(whole: boolean, facts: OciFacts, agent: number | null, running: number): void {
    this.#port = facts.port;
    if (agent !== null) this.#connection = this.#resumed(agent, facts.agent?.largest ?? Number.POSITIVE_INFINITY);
    // An old agent does not say when a run has ended that nobody waits for any more.
    const usable = this.fn.definition.server === 'framed' ? this.#connection !== null : running === 0;
    this.resume(this.#connection, running);
    if (!whole || !usable) {
      this.nonsense('it cannot be taken over');
      return;
    }
    this.#measure();
    this.#openChannel();
  }

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
    // An agent that ended at once may have called and said why, and nobody has come to listen yet: its exit can overtake its words.
    return this.#connection === null ? this.#door !== null : this.#connection.open;
  }

  /** An old agent cannot be asked: what its server makes of signals is its own affair. */
  protected override interrupt(_requestId: number): void {
    const { killGraceMs } = this.#context;
    if (this.fn.definition.server !== 'framed' || killGraceMs === 0 || !this.#body.signal(SIGUSR2)) {
      this.kill();
      return;
    }
    this.#killTimer ??= setTimeout(() => this.kill(), killGraceMs);
  }

  protected override kill(): void {
    this.#body.kill();
  }

  protected override async release(): Promise<void> {
    const { gone, leftBehind } = this.#context;
    if (this.#killTimer !== null) clearTimeout(this.#killTimer);
    this.#leftStageReady();
    this.#door?.close();
    this.#connection?.close();
    this.#apart.abort();
    // Whatever step is under way ends first: two hands on one container leave half of it.
    await this.#making;
    const left = await this.#body.remove();
    gone(this);
    if (left) leftBehind();
  }

  /** Nothing of it runs any more: then the engine will tell. What still runs has closed its connection and will not tell anything. */
  protected override awaitsExit(waitedMs: number): boolean {
    return waitedMs < EXIT_LIMIT_MS && this.#body.empty;
  }

  protected override evidence(): CgroupEvidence | null {
    return this.#body.evidence(this.#outOfMemory);
  }

  async #make(): Promise<void> {
    const { stages, engine } = this.#context;
    const plan = await this.#plan();
    if (plan === null) return;
    this.#body.asked = true;
    const { signal } = this.#apart;
    failpoint('engine.snapshot');
    await stages.snapshot.run(() => this.#unlessEnded(() => engine.snapshot(plan)), signal);
    failpoint('engine.create');
    await stages.create.run(() => this.#unlessEnded(() => engine.create(plan)), signal);
    failpoint('engine.run');
    await stages.ready.run(() => this.#unlessEnded(() => this.#startAndLoad(plan)), signal);
  }

  /** From its first process on it takes the machine's time: its place among those that load is taken before. */
  async #startAndLoad(plan: ContainerPlan): Promise<void> {
    const { stages, engine } = this.#context;
    const step = (): Promise<void> =>
      this.#unlessEnded(async () => {
        // Its agent may call before the engine has answered.
        this.begun();
        this.#body.pid = await engine.run(plan);
        failpoint('engine.running');
      });
    await stages.start.run(step, this.#apart.signal);
    if (this.phase !== 'loading') return;
    this.#openChannel();
    await this.#untilLoaded();
  }

  /** Everything that it needs before the engine hears of it; null = it has ended meanwhile. */
  async #plan(): Promise<ContainerPlan | null> {
    const { fn } = this;
    const context = this.#context;
    const cgroup = await context.takeCgroup();
    this.#body.cgroup = cgroup;
    applyLimits(context.layout, cgroup, context.limits(fn.definition), OWN_PROCESSES);
    this.#measure();
    this.#body.engineName = `${context.scope}-${cgroup.name}`;
    context.named(this);
    const namespaces = this.#namespaces();
    if (namespaces !== null) {
      this.#body.network = await context.stages.network.run(() => takeLease(namespaces), this.#apart.signal);
    }
    if (this.#ended) return null;
    const sockets = fn.definition.server === 'framed' ? join(context.sockets, cgroup.name) : null;
    if (sockets !== null) await mkdir(sockets, { recursive: true, mode: 0o755 });
    if (this.#ended) return null;
    if (fn.definition.network === 'host' && fn.definition.server === 'http') this.#port = await freePort();
    if (sockets !== null) this.#openDoor(sockets);
    return {
      name: this.engineName,
      fn,
      env: containerEnvironment(fn, this.#placed, {
        container: cgroup.name,
        token: this.#token,
        address: this.#body.network?.address ?? null,
        host: this.#host,
        port: this.#port,
      }),
      cgroupPath: cgroup.dirs.length === 0 ? '' : `${context.cgroupPath}/${cgroup.name}`,
      cgroupDirs: cgroup.dirs,
      sockets,
      network: this.#network(),
      port: this.#port,
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
    const { network } = this.#body;
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
    this.#door = new AgentDoor({
      transport,
      path: join(sockets, 'agents.sock'),
      container: this.#body.cgroup?.name ?? '',
      token: this.#token,
      refused: strangerRefused,
      entered: (connection) => {
        this.#connection = connection;
        return before;
      },
    });
  }

  /** The way to speak to an old agent. */
  #openChannel(): void {
    const { transport, maxBodyBytes } = this.#context;
    const { server } = this.fn.definition;
    if (server === 'legacy-socket') {
      this.channel = new LegacySocketChannel(transport, new SocketFolder(() => this.#body.pid), this);
    } else if (server === 'http') {
      const takeBody = (payload: number): Buffer => {
        const body = transport.body(payload);
        transport.drop(payload);
        return body;
      };
      this.channel = new HttpChannel({ host: this.#host, port: this.#port, maxBodyBytes, takeBody }, this);
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
    return this.#body.network?.address ?? '127.0.0.1';
  }

  get #ended(): boolean {
    return this.phase === 'ended';
  }

  #measure(): void {
    const { layout, limits, cores, cpuTime } = this.#context;
    this.meter = runMeterFor(layout, [...this.cgroupDirs], limits(this.fn.definition), cores, cpuTime);
  }

  /** null = it is none any more. */
  #resumed(fd: number, largest: number): Connection | null {
    try {
      return this.#context.transport.resume(fd, largest, this);
    } catch {
      return null;
    }
  }
}

/** Its first process, which is not the function's. */
const OWN_PROCESSES = 1;
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
