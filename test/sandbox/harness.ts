import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeFile } from '../../src/native.js';

/**
 * The worker's side of the spawner protocol on plain node:net, so that these tests judge the launcher and the cell library alone. Everything is kept in
 * arrays in the order of arrival; waiting is bounded and says what was seen when it gives up.
 */

export const HELLO = 1;
export const CANCEL = 7;
export const SPAWN = 16;
export const SPAWNED = 17;
export const ASSIGN = 18;
export const READY = 19;
export const EXITED = 20;
export const LOG = 21;
export const ZYGOTE = 22;

const HEADER = 32;
const WAIT_MS = 20_000;

export interface Frame {
  type: number;
  status: number;
  flags: number;
  requestId: number;
  x0: number;
  x1: number;
  meta: Record<string, unknown>;
  body: Buffer;
  at: number;
}

export function encode(type: number, requestId: number, meta: unknown, fields: { x0?: number } = {}): Buffer {
  const metaBytes = meta === null ? Buffer.alloc(0) : Buffer.from(JSON.stringify(meta));
  const header = Buffer.alloc(HEADER);
  header[0] = 0xf1;
  header[1] = type;
  header.writeUInt32LE(requestId, 4);
  header.writeUInt32LE(metaBytes.length, 16);
  header.writeUInt32LE(fields.x0 ?? 0, 20);
  return Buffer.concat([header, metaBytes]);
}

const HELLO_FRAME = (() => {
  const frame = encode(HELLO, 0, { role: 'worker', name: 'test' }, { x0: 1 });
  frame.writeUInt32LE(1, 24);
  frame.writeUInt32LE(65_536, 28);
  return frame;
})();

async function until<T>(what: string, look: () => T | undefined, seen: () => unknown): Promise<T> {
  const end = Date.now() + WAIT_MS;
  while (Date.now() < end) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`waited in vain for ${what}; seen: ${JSON.stringify(seen())}`);
}

/** One connection of a spawner, supervisor or agent. */
export class Peer {
  readonly frames: Frame[] = [];
  readonly socket: Socket;
  closed = false;
  private bytes = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    socket.write(HELLO_FRAME);
    socket.on('data', (chunk) => this.take(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
    });
  }

  private take(chunk: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, chunk]);
    while (this.bytes.length >= HEADER) {
      const bytes = this.bytes;
      const metaLength = bytes.readUInt32LE(16);
      const total = HEADER + metaLength + Number(bytes.readBigUInt64LE(8));
      if (bytes.length < total) return;
      const meta = bytes.subarray(HEADER, HEADER + metaLength).toString();
      this.frames.push({
        type: bytes[1] as number,
        status: bytes[2] as number,
        flags: bytes[3] as number,
        requestId: bytes.readUInt32LE(4),
        x0: bytes.readUInt32LE(20),
        x1: bytes.readUInt32LE(24),
        meta: meta === '' ? {} : (JSON.parse(meta) as Record<string, unknown>),
        body: Buffer.from(bytes.subarray(HEADER + metaLength, total)),
        at: performance.now(),
      });
      this.bytes = bytes.subarray(total);
    }
  }

  get hello(): Record<string, unknown> {
    return this.frames[0]?.type === HELLO ? this.frames[0].meta : {};
  }

  find(type: number): Frame | undefined {
    return this.frames.find((frame) => frame.type === type);
  }

  frame(type: number): Promise<Frame> {
    return until(
      `a frame of type ${type}`,
      () => this.find(type),
      () => this.frames.map((frame) => [frame.type, frame.status, frame.meta]),
    );
  }

  close(): Promise<boolean> {
    return until(
      'the end of a connection',
      () => this.closed || undefined,
      () => this.frames,
    );
  }

  /** What was written to fd 1 or 2 so far. */
  output(stream: 1 | 2): string {
    const chunks = this.frames.filter((frame) => frame.type === LOG && frame.x0 === stream).map((frame) => frame.body);
    return Buffer.concat(chunks).toString();
  }
}

export interface SpawnMeta {
  argv?: string[] | null;
  env?: Record<string, string>;
  network?: 'none' | 'host';
  cgroup?: string;
  uid?: number;
  tmpMb?: number;
  files?: number;
  processes?: number;
  rlimitDataMb?: number;
}

export interface SpawnedCell {
  container: string;
  pid: number;
  supervisor: Peer;
  agent: Peer;
}

export interface StationOptions {
  cgroups?: string[];
  paths?: string[];
  userNamespace?: 'auto' | 'on' | 'off';
  /** Run the launcher as this uid. */
  uid?: number;
  /** Path of the program that supervisors become; '' = they stay copies of the spawner. */
  supervisor?: string;
}

/** ILUVATAR_TEST_LAUNCHER: another build of it, for example one with sanitizers. */
export const LAUNCHER = process.env.ILUVATAR_TEST_LAUNCHER ?? nativeFile('iluvatar-launcher');

let sequence = 0;

/** An agents socket, a store, and the spawners started on them. */
export class Station {
  readonly folder = mkdtempSync(join(tmpdir(), 'ilu-sandbox-'));
  readonly store = join(this.folder, 'store');
  readonly peers: Peer[] = [];
  readonly children: ChildProcess[] = [];
  stderr = '';
  private readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
    for (const folder of [join(this.store, 'code'), join(this.store, 'layers'), join(this.folder, 'run')]) {
      mkdirSync(folder, { recursive: true });
    }
    server.on('connection', (socket) => this.peers.push(new Peer(socket)));
  }

  static async open(): Promise<Station> {
    const station = new Station(createServer());
    await new Promise<void>((resolve) => station.server.listen(station.socket, resolve));
    return station;
  }

  get socket(): string {
    return join(this.folder, 'run', 'agents.sock');
  }

  config(name: string, options: StationOptions): string {
    return JSON.stringify({
      name,
      agents: this.socket,
      store: this.store,
      cgroups: options.cgroups ?? [],
      paths: options.paths ?? [],
      userNamespace: options.userNamespace ?? 'auto',
      supervisor: options.supervisor ?? nativeFile('iluvatar-supervisor'),
    });
  }

  /** Starts a program that becomes a spawner, and waits for its HELLO. */
  async start(command: string, argv: string[], name: string, uid?: number, env?: NodeJS.ProcessEnv): Promise<Peer> {
    if (uid !== undefined) {
      for (const path of [this.folder, this.store, join(this.store, 'code'), join(this.store, 'layers')]) {
        chownSync(path, uid, uid);
      }
      chmodSync(this.socket, 0o777);
    } else {
      chmodSync(this.store, 0o700);
    }
    const child = spawn(command, argv, {
      stdio: ['ignore', 'inherit', 'pipe'],
      env: env ?? process.env,
      uid,
      gid: uid,
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    this.children.push(child);
    return until(
      `the spawner ${name}`,
      () => {
        if (child.exitCode !== null) throw new Error(`the spawner ended: ${this.stderr}`);
        return this.peers.find((peer) => peer.hello.role === 'spawner' && peer.hello.name === name);
      },
      () => [this.stderr, this.peers.map((peer) => peer.hello)],
    );
  }

  launch(options: StationOptions = {}): Promise<Peer> {
    const name = `launcher-${++sequence}`;
    return this.start(LAUNCHER, ['--config', this.config(name, options)], name, options.uid);
  }

  peer(role: string, container: string): Promise<Peer> {
    return until(
      `the ${role} of ${container}`,
      () => this.peers.find((peer) => peer.hello.role === role && peer.hello.container === container),
      () => [this.stderr, this.peers.map((peer) => [peer.hello, peer.frames.map((f) => [f.type, f.status, f.meta])])],
    );
  }

  meta(container: string, spawn: SpawnMeta): Record<string, unknown> {
    return {
      container,
      token: `token-${container}`,
      cgroup: '',
      network: 'none',
      uid: 210_000,
      gid: spawn.uid ?? 210_000,
      tmpMb: 16,
      files: 256,
      processes: 64,
      env: {},
      argv: ['@assign'],
      ...spawn,
    };
  }

  /** SPAWN, up to the supervisor's HELLO. */
  async spawn(spawner: Peer, spawn: SpawnMeta = {}): Promise<{ container: string; pid: number; supervisor: Peer }> {
    const container = `c${process.pid}-${++sequence}`;
    const requestId = sequence;
    spawner.socket.write(encode(SPAWN, requestId, this.meta(container, spawn)));
    const answer = await until(
      'SPAWNED',
      () => spawner.frames.find((frame) => frame.type === SPAWNED && frame.requestId === requestId),
      () => [this.stderr, spawner.frames.map((frame) => [frame.type, frame.status, frame.meta])],
    );
    if (answer.status !== 0) throw new Error(`not spawned: ${JSON.stringify(answer.meta)}`);
    return { container, pid: answer.x0, supervisor: await this.peer('supervisor', container) };
  }

  /** A file of the store's code folder, executable. */
  code(name: string): string {
    const folder = join(this.store, 'code', name);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** Runs a shell script as the function of a new container, to its end. */
  async run(
    spawner: Peer,
    script: string,
    spawn: SpawnMeta = {},
    assign: Record<string, unknown> = {},
  ): Promise<{ stdout: string; stderr: string; exited: Frame; container: string; pid: number; supervisor: Peer }> {
    const cell = await this.spawn(spawner, spawn);
    this.assign(cell.supervisor, { argv: ['/bin/sh', '-c', script], ...assign });
    const exited = await cell.supervisor.frame(EXITED);
    await cell.supervisor.close();
    return { ...cell, exited, stdout: cell.supervisor.output(1), stderr: cell.supervisor.output(2) };
  }

  assign(supervisor: Peer, meta: Record<string, unknown>): void {
    this.code('empty');
    supervisor.socket.write(encode(ASSIGN, 0, { function: 'test@1', code: 'code/empty', layers: [], ...meta }));
  }

  async close(): Promise<void> {
    for (const peer of this.peers) peer.socket.destroy();
    for (const child of this.children) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await new Promise((resolve) => child.once('exit', resolve));
      }
    }
    await new Promise((resolve) => this.server.close(resolve));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const isRoot = process.getuid?.() === 0;

export function alive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

export async function gone(pid: number): Promise<void> {
  await until(
    `the end of process ${pid}`,
    () => (alive(pid) ? undefined : true),
    () => execFileSync('ps', ['-p', String(pid), '-o', 'pid,ppid,stat,args']).toString(),
  );
}

export { until };
