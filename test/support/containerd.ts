import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { decode, encode, type Field, type Message, nested, number, text } from './protobuf.js';

/**
 * A containerd of the test's own: root, state and sockets in a temporary folder. With a client of a few lines, since what is tested here is on
 * containerd's other side.
 */

/** A call that failed; `code` is gRPC's. */
export class CallError extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export interface TaskEventSeen {
  readonly topic: string;
  readonly container: string;
  /** Of an exit. */
  readonly status: number;
}

const START_LIMIT_MS = 20_000;

export class PrivateContainerd {
  readonly folder = mkdtempSync(join(tmpdir(), 'ilu-ctd-'));
  readonly namespace = 'test';
  readonly events: TaskEventSeen[] = [];
  #process: ChildProcess | null = null;
  #session: ClientHttp2Session | null = null;

  get socket(): string {
    return join(this.folder, 'c.sock');
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  async start(): Promise<void> {
    const config = join(this.folder, 'config.toml');
    writeFileSync(
      config,
      [
        'version = 2',
        `root = "${this.folder}/root"`,
        `state = "${this.folder}/state"`,
        'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]',
        `[grpc]\n  address = "${this.socket}"`,
        `[ttrpc]\n  address = "${this.folder}/t.sock"`,
      ].join('\n'),
    );
    this.#process = spawn('containerd', ['-c', config], { stdio: 'ignore', detached: true });
    const started = Date.now();
    for (;;) {
      try {
        this.#session = await this.#connect();
        await this.call('containerd.services.version.v1.Version', 'Version', []);
        break;
      } catch (error) {
        this.#session?.destroy();
        if (Date.now() - started > START_LIMIT_MS) throw error;
        await sleep(50);
      }
    }
    this.#subscribe();
    await this.call('containerd.services.namespaces.v1.Namespaces', 'Create', [
      [1, encode([[1, this.namespace]])],
    ]).catch((error: CallError) => {
      if (error.code !== 6) throw error;
    });
  }

  /** As by SIGKILL or SIGTERM; resolves when it is gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#session?.destroy();
    this.#session = null;
    if (child === null) return;
    const gone = once(child, 'exit');
    if (child.exitCode === null && child.signalCode === null) {
      process.kill(child.pid as number, signal);
      await gone;
    }
    this.#process = null;
  }

  /** Also takes away whatever it left mounted, and its folder. */
  async remove(): Promise<void> {
    await this.end('SIGTERM');
    const mounted = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '')
      .filter((path) => path.startsWith(`${this.folder}/`));
    for (const path of mounted.reverse()) await once(spawn('umount', ['-l', path]), 'exit');
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** One unary call; the answer by field numbers. Rejects with CallError. */
  async call(service: string, method: string, fields: readonly Field[]): Promise<Message> {
    const stream = this.#request(service, method, fields);
    const chunks: Buffer[] = [];
    let code = '';
    let message = '';
    const read = (headers: Record<string, unknown>): void => {
      if (headers['grpc-status'] !== undefined) code = String(headers['grpc-status']);
      if (headers['grpc-message'] !== undefined) message = decodeURIComponent(String(headers['grpc-message']));
    };
    stream.on('response', read);
    stream.on('trailers', read);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    await new Promise<void>((resolve, reject) => {
      stream.once('close', resolve);
      stream.once('error', reject);
    });
    if (code !== '0') throw new CallError(code === '' ? 14 : Number(code), message);
    // One byte that says it is not compressed, four of length.
    return decode(Buffer.concat(chunks).subarray(5));
  }

  #request(service: string, method: string, fields: readonly Field[]) {
    if (this.#session === null) throw new CallError(14, 'containerd is not running');
    const body = encode(fields);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': `/${service}/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      'containerd-namespace': this.namespace,
    });
    stream.end(Buffer.concat([head, body]));
    return stream;
  }

  #subscribe(): void {
    const stream = this.#request('containerd.services.events.v1.Events', 'Subscribe', [[1, 'topic~="/tasks/.*"']]);
    let buffer = Buffer.alloc(0);
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => {
      buffer = Buffer.concat([buffer, chunk]);
      while (buffer.length >= 5 && buffer.length >= 5 + buffer.readUInt32BE(1)) {
        const size = buffer.readUInt32BE(1);
        const envelope = decode(buffer.subarray(5, 5 + size));
        buffer = buffer.subarray(5 + size);
        const event = decode((nested(envelope, 4).get(2)?.[0] as Buffer | undefined) ?? Buffer.alloc(0));
        const topic = text(envelope, 3);
        const status = topic === '/tasks/exit' ? number(event, 4) : 0;
        this.events.push({ topic, container: text(event, 1), status });
      }
    });
  }

  async #connect(): Promise<ClientHttp2Session> {
    if (!existsSync(this.socket)) throw new CallError(14, 'no socket yet');
    const session = connect('http://localhost', { createConnection: () => createConnection(this.socket) });
    session.on('error', () => {});
    await once(session, 'connect');
    return session;
  }
}
