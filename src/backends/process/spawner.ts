import { type ChildProcess, spawn } from 'node:child_process';
import { errorClassOf } from '../../core/errors.js';
import type { ContainerFailure } from '../../core/ports.js';
import type { Frame } from '../../transport/frame.js';
import { FrameType } from '../../transport/frames.js';
import type { CloseReason, Connection, ConnectionHandler } from '../../transport/transport.js';
import type { BackendLog } from '../log.js';
import type { AgentsSocket, Hello } from './agents-socket.js';

/**
 * One spawner as the worker sees it: the launcher or a zygote, from its start to its end. It answers SPAWN and ZYGOTE requests in any order. When
 * it dies, everything it had not answered fails as transient; whether it is started again is its owner's decision.
 */
export interface SpawnerCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export type SpawnAnswer = (pid: number, failure: ContainerFailure | null) => void;

export interface SpawnerEvents {
  /** It can be asked for containers. `off`: protections it could not set up. */
  up(off: readonly string[]): void;
  /** It ended, or never came up. */
  down(reason: string): void;
}

const OUTPUT_TAIL = 4096;

export class Spawner implements ConnectionHandler {
  readonly name: string;
  /** 0 = not known. */
  pid = 0;
  state: 'starting' | 'up' | 'down' = 'starting';
  readonly #socket: AgentsSocket;
  readonly #log: BackendLog;
  readonly #events: SpawnerEvents;
  readonly #pending = new Map<number, SpawnAnswer>();
  readonly #timer: NodeJS.Timeout;
  #connection: Connection | null = null;
  #child: ChildProcess | null = null;
  #output = '';
  #nextRequest = 1;

  /** `startLimitMs`: how long it may take until its HELLO. */
  constructor(name: string, socket: AgentsSocket, log: BackendLog, startLimitMs: number, events: SpawnerEvents) {
    this.name = name;
    this.#socket = socket;
    this.#log = log;
    this.#events = events;
    socket.expectSpawner(name, (connection, hello) => this.#claim(connection, hello));
    this.#timer = setTimeout(() => this.#end(`it did not come up within ${startLimitMs} ms`), startLimitMs);
  }

  /** Starts its process. A child zygote has none of its own: its parent forks it. */
  launch(command: SpawnerCommand): void {
    // A session of its own: a terminal's Ctrl-C is for the worker, which then ends containers in order.
    const child = spawn(command.file, command.args, {
      env: command.env as Record<string, string>,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      cwd: '/',
    });
    this.#child = child;
    this.pid = child.pid ?? 0;
    const collect = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString('utf8')).slice(-OUTPUT_TAIL);
      if (this.state === 'up')
        this.#log.warn({ spawner: this.name, output: chunk.toString('utf8').trimEnd() }, 'output of a spawner');
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    child.on('error', (error) => this.#end(error.message));
    // 'close' and not 'exit': what it wrote last says why it ended.
    child.on('close', (code, signal) =>
      this.#end(signal === null ? `it exited with code ${code}` : `it was killed by ${signal}`),
    );
  }

  get waiting(): number {
    return this.#pending.size;
  }

  /** Asks for a container; `answer` comes once. */
  spawn(meta: string, answer: SpawnAnswer): void {
    this.#request(FrameType.spawn, meta, answer);
  }

  /** Asks for a child zygote; the answer comes when it is up or has failed. */
  zygote(meta: string, answer: SpawnAnswer): void {
    this.#request(FrameType.zygote, meta, answer);
  }

  /** Ends it: the end of its connection tells it to. What it does not obey in time is killed. */
  stop(): void {
    this.#end('stopped');
  }

  /** It will not come up: its owner knows why. */
  fail(reason: string): void {
    this.#end(reason);
  }

  #request(type: number, meta: string, answer: SpawnAnswer): void {
    if (this.#connection === null || this.state !== 'up') {
      answer(0, this.#gone('is not up'));
      return;
    }
    const id = this.#nextRequest++ >>> 0;
    this.#pending.set(id, answer);
    this.#connection.send(type, 0, 0, id, 0, 0, 0, meta, null);
  }

  #claim(connection: Connection, hello: Hello): ConnectionHandler | null {
    if (this.state !== 'starting') return null;
    clearTimeout(this.#timer);
    this.#connection = connection;
    this.state = 'up';
    if (this.pid === 0 && typeof hello.pid === 'number') this.pid = hello.pid;
    this.#events.up(Array.isArray(hello.off) ? hello.off : []);
    return this;
  }

  frame(_connection: Connection, frame: Frame): void {
    if (frame.type !== FrameType.spawned) return;
    const answer = this.#pending.get(frame.requestId);
    if (answer === undefined) return;
    this.#pending.delete(frame.requestId);
    answer(frame.x0, frame.status === 0 ? null : spawnFailure(frame));
  }

  closed(_connection: Connection, reason: CloseReason): void {
    this.#connection = null;
    this.#end(reason.code === 'end' ? 'it ended' : reason.message);
  }

  #end(reason: string): void {
    if (this.state === 'down') return;
    this.state = 'down';
    clearTimeout(this.#timer);
    this.#socket.forgetSpawner(this.name);
    this.#connection?.close();
    this.#connection = null;
    const child = this.#child;
    if (child !== null && child.exitCode === null && child.signalCode === null) {
      const kill = setTimeout(() => child.kill('SIGKILL'), 1000);
      kill.unref();
      child.once('exit', () => clearTimeout(kill));
    }
    const said = this.#output.trim();
    const full = said === '' || reason === 'stopped' ? reason : `${reason}: ${said}`;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const answer of pending) answer(0, this.#gone(full));
    this.#events.down(full);
  }

  #gone(what: string): ContainerFailure {
    return {
      errorClass: 'start_failed',
      message: `the spawner "${this.name}" ${what}`,
      details: null,
      transient: true,
    };
  }
}

function spawnFailure(frame: Frame): ContainerFailure {
  let meta: { message?: string; step?: string; errno?: number | string } = {};
  try {
    meta = JSON.parse(frame.meta()) as typeof meta;
  } catch {
    // Without a readable meta the status alone has to do.
  }
  const step = meta.step === undefined ? '' : ` (${meta.step})`;
  return {
    errorClass: errorClassOf(frame.status) ?? 'start_failed',
    message: `the container could not be made${step}: ${meta.message ?? 'no reason given'}`,
    details: { evidence: { step: meta.step ?? null, errno: meta.errno ?? null } },
    // A full process table or a lost race passes; what does not will fail again and be reported then.
    transient: true,
  };
}
