import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { encodeFrame, FrameReader, PYTHON, ROOT, Type, type WireFrame } from './harness.js';

/** Plays the worker for a real zygote and its real containers: the agents socket, SPAWN, ZYGOTE, ASSIGN. */

const LIBRARY = join(ROOT, 'build/Release/libiluvatar_cell.so');
const SUPERVISOR = join(ROOT, 'build/Release/iluvatar-supervisor');
const WAIT_MS = 20_000;
const SPAWN = 16;
const SPAWNED = 17;
const ASSIGN = 18;
const EXITED = 20;
const ZYGOTE = 22;

/** Why these tests cannot run here; null = they can. */
export const ZYGOTES_UNAVAILABLE = !existsSync(LIBRARY)
  ? `${LIBRARY} is not built`
  : process.getuid?.() !== 0
    ? 'they make containers as root'
    : null;

/** One connection to the agents socket. */
export class Peer {
  readonly frames: WireFrame[] = [];
  hello: Record<string, unknown> = {};
  closed = false;
  readonly #socket: Socket;
  readonly #wake = new Set<() => void>();
  #nextRequest = 1;

  constructor(socket: Socket, greeted: (peer: Peer) => void) {
    this.#socket = socket;
    const reader = new FrameReader();
    socket.on('data', (chunk: Buffer) => {
      for (const frame of reader.push(chunk)) {
        if (frame.type === Type.hello) {
          this.hello = frame.meta;
          greeted(this);
        } else this.frames.push(frame);
      }
      this.#notify();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.#notify();
    });
    this.send(encodeFrame(Type.hello, 0, [1, 1, 65_536], '{"role":"worker","name":"test"}', ''));
  }

  #notify(): void {
    for (const wake of this.#wake) wake();
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  close(): void {
    this.#socket.destroy();
  }

  async take(wanted: (frame: WireFrame) => boolean): Promise<WireFrame> {
    const limit = Date.now() + WAIT_MS;
    for (;;) {
      const index = this.frames.findIndex(wanted);
      if (index !== -1) return this.frames.splice(index, 1)[0] as WireFrame;
      if (this.closed) throw new Error(`${JSON.stringify(this.hello)} closed its connection`);
      if (Date.now() > limit) throw new Error(`${JSON.stringify(this.hello)} said nothing within ${WAIT_MS} ms`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          this.#wake.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, 1000);
        this.#wake.add(wake);
      });
    }
  }

  async request(type: number, meta: Record<string, unknown>): Promise<WireFrame> {
    const id = this.#nextRequest++;
    this.send(encodeFrame(type, id, [0, 0, 0], JSON.stringify(meta), ''));
    return this.take((frame) => frame.type === SPAWNED && frame.requestId === id);
  }
}

export class Cell {
  readonly pid: number;
  readonly supervisor: Peer;
  readonly agent: Peer;
  #nextRequest = 1;

  constructor(pid: number, supervisor: Peer, agent: Peer) {
    this.pid = pid;
    this.supervisor = supervisor;
    this.agent = agent;
  }

  async assign(meta: Record<string, unknown>): Promise<WireFrame> {
    this.supervisor.send(
      encodeFrame(
        ASSIGN,
        0,
        [0, 0, 0],
        JSON.stringify({ function: 'test', runtime: 'python3', layers: [], env: {}, ...meta }),
        '',
      ),
    );
    return this.agent.take((frame) => frame.type === Type.ready);
  }

  async invoke(args: unknown): Promise<WireFrame> {
    const id = this.#nextRequest++;
    this.agent.send(encodeFrame(Type.invoke, id, [0, 0, 0], '', JSON.stringify(args)));
    return this.agent.take((frame) => frame.type === Type.result && frame.requestId === id);
  }

  exited(): Promise<WireFrame> {
    return this.supervisor.take((frame) => frame.type === EXITED);
  }
}

/** What containers need of an interpreter that is not part of the system. */
function interpreterPaths(): string[] {
  return PYTHON.startsWith('/') && !PYTHON.startsWith('/usr/') ? [dirname(dirname(PYTHON))] : [];
}

export class ZygoteHarness {
  readonly folder = mkdtempSync(join(tmpdir(), 'iluvatar-zygote-test-'));
  readonly store = join(this.folder, 'store');
  log = '';
  readonly #server: Server;
  readonly #peers: Peer[] = [];
  readonly #sockets: Socket[] = [];
  #process: ChildProcess | null = null;
  #ended: Promise<number | null> = Promise.resolve(null);
  #containers = 0;

  constructor() {
    mkdirSync(this.store, { mode: 0o700 });
    mkdirSync(join(this.folder, 'run'));
    this.#server = createServer((socket) => {
      this.#sockets.push(socket);
      new Peer(socket, (peer) => this.#peers.push(peer));
    });
  }

  /** Puts files into the store; returns the folder's name there. */
  put(name: string, files: Record<string, string>): string {
    for (const [file, content] of Object.entries(files)) {
      const path = join(this.store, name, file);
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      writeFileSync(path, content);
    }
    chmodSync(join(this.store, name), 0o755);
    return name;
  }

  /** Starts the base zygote; resolves when it is up. */
  async start(imports: string[]): Promise<Peer> {
    const agents = join(this.folder, 'run', 'agents.sock');
    await new Promise<void>((resolve) => this.#server.listen(agents, resolve));
    const config = {
      library: LIBRARY,
      imports,
      path: [],
      spawner: {
        name: 'base',
        agents,
        store: this.store,
        cgroups: [],
        paths: interpreterPaths(),
        supervisor: SUPERVISOR,
      },
    };
    const child = spawn(PYTHON, ['-I', join(ROOT, 'src/agents/python/zygote.py')], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: '/usr/bin:/bin', ILUVATAR_ZYGOTE: JSON.stringify(config) },
      cwd: '/',
    });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (this.log += chunk.toString('utf8')));
    this.#ended = new Promise((resolve) => child.on('exit', (code) => resolve(code)));
    return this.peer((hello) => hello['role'] === 'spawner' && hello['name'] === 'base');
  }

  async peer(wanted: (hello: Record<string, unknown>) => boolean): Promise<Peer> {
    const limit = Date.now() + WAIT_MS;
    for (;;) {
      const peer = this.#peers.find((candidate) => wanted(candidate.hello));
      if (peer !== undefined) return peer;
      if (Date.now() > limit) throw new Error(`nobody came; the zygote wrote: ${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async spawn(spawner: Peer): Promise<Cell> {
    const container = `t${process.pid}-${++this.#containers}`;
    const meta = {
      container,
      token: `secret-${container}`,
      cgroup: '',
      network: 'none',
      uid: 64_999,
      gid: 64_999,
      tmpMb: 16,
      files: 256,
      processes: 64,
      argv: null,
      env: { FROM_SPAWN: 'yes' },
    };
    const answer = await spawner.request(SPAWN, meta);
    if (answer.status !== 0) throw new Error(`SPAWN failed: ${JSON.stringify(answer.meta)}`);
    const of = (role: string) => this.peer((hello) => hello['role'] === role && hello['container'] === container);
    return new Cell(answer.x0, await of('supervisor'), await of('agent'));
  }

  zygote(parent: Peer, name: string, path: string[], imports: string[]): Promise<WireFrame> {
    return parent.request(ZYGOTE, { name, path, imports });
  }

  /** Ends every connection, which ends spawners and containers, and waits for the base zygote. */
  async stop(): Promise<number | null> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const kill = setTimeout(() => this.#process?.kill('SIGKILL'), 5000);
    const code = await this.#ended;
    clearTimeout(kill);
    rmSync(this.folder, { recursive: true, force: true });
    return code;
  }
}
