import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Frame } from '../../src/transport/frame.js';
import { FrameType } from '../../src/transport/frames.js';
import { type CloseReason, type Connection, type ConnectionHandler, Transport } from '../../src/transport/transport.js';

/**
 * What the transport's suites share: a codec of their own in TypeScript (an independent reading of docs/protocol.md, so that the addon is not only tested
 * against itself), raw sockets, and an owner that takes everything down again.
 */

export interface RawFrame {
  type: number;
  status: number;
  flags: number;
  requestId: number;
  x0: number;
  x1: number;
  x2: number;
  meta: string;
  body: Buffer;
}

export function encode(frame: Partial<RawFrame> & { type: number }, overrides: { magic?: number } = {}): Buffer {
  const meta = Buffer.from(frame.meta ?? '');
  const body = frame.body ?? Buffer.alloc(0);
  return Buffer.concat([header(frame, meta.length, BigInt(body.length), overrides.magic), meta, body]);
}

export function header(
  frame: Partial<RawFrame> & { type: number },
  metaLength: number,
  bodyLength: bigint,
  magic = 0xf1,
): Buffer {
  const head = Buffer.alloc(32);
  head[0] = magic;
  head[1] = frame.type;
  head[2] = frame.status ?? 0;
  head[3] = frame.flags ?? 0;
  head.writeUInt32LE(frame.requestId ?? 0, 4);
  head.writeBigUInt64LE(bodyLength, 8);
  head.writeUInt32LE(metaLength, 16);
  head.writeUInt32LE(frame.x0 ?? 0, 20);
  head.writeUInt32LE(frame.x1 ?? 0, 24);
  head.writeUInt32LE(frame.x2 ?? 0, 28);
  return head;
}

export function hello(role = 'client', x2 = 65536): Buffer {
  return encode({ type: FrameType.hello, x0: 1, x1: 1, x2, meta: JSON.stringify({ role }) });
}

/** All whole frames at the start of `data`. */
export function decodeAll(data: Buffer): RawFrame[] {
  const frames: RawFrame[] = [];
  let at = 0;
  while (data.length - at >= 32) {
    const metaLength = data.readUInt32LE(at + 16);
    const bodyLength = Number(data.readBigUInt64LE(at + 8));
    if (data.length - at < 32 + metaLength + bodyLength) break;
    const metaAt = at + 32;
    frames.push({
      type: data[at + 1] as number,
      status: data[at + 2] as number,
      flags: data[at + 3] as number,
      requestId: data.readUInt32LE(at + 4),
      x0: data.readUInt32LE(at + 20),
      x1: data.readUInt32LE(at + 24),
      x2: data.readUInt32LE(at + 28),
      meta: data.toString('utf8', metaAt, metaAt + metaLength),
      body: Buffer.from(data.subarray(metaAt + metaLength, metaAt + metaLength + bodyLength)),
    });
    at = metaAt + metaLength + bodyLength;
  }
  return frames;
}

/** Copies a frame out of the callback. */
export function copyOf(frame: Frame): RawFrame {
  const { type, status, flags, requestId, x0, x1, x2 } = frame;
  return { type, status, flags, requestId, x0, x1, x2, meta: frame.meta(), body: frame.body() };
}

/** Keeps what happened on a connection and lets a test wait for it. */
export class Recorder implements ConnectionHandler {
  readonly frames: RawFrame[] = [];
  reason: CloseReason | null = null;
  drains = 0;
  onFrame: ((connection: Connection, frame: Frame) => void) | null = null;
  readonly #waiters = new Set<() => void>();

  frame(connection: Connection, frame: Frame): void {
    try {
      if (this.onFrame !== null) this.onFrame(connection, frame);
      else this.frames.push(copyOf(frame));
    } finally {
      this.#changed();
    }
  }

  closed(_connection: Connection, reason: CloseReason): void {
    this.reason = reason;
    this.#changed();
  }

  drained(): void {
    this.drains++;
    this.#changed();
  }

  /** Frames of one type. */
  of(type: number): RawFrame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  until(condition: () => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const guard = setTimeout(() => {
        this.#waiters.delete(check);
        reject(new Error(`waited in vain for ${what}; ${this.frames.length} frames, ${JSON.stringify(this.reason)}`));
      }, 20_000);
      const check = () => {
        if (!condition()) return;
        clearTimeout(guard);
        this.#waiters.delete(check);
        resolve();
      };
      this.#waiters.add(check);
      check();
    });
  }

  ended(): Promise<CloseReason> {
    return this.until(() => this.reason !== null, 'the end').then(() => this.reason as CloseReason);
  }

  #changed(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }
}

/** A socket without the addon. */
export class RawPeer {
  readonly socket: net.Socket;
  received = Buffer.alloc(0);
  error: Error | null = null;
  readonly closed: Promise<void>;

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    socket.on('error', (error) => {
      this.error = error;
    });
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  frames(): RawFrame[] {
    return decodeAll(this.received);
  }

  async until(condition: (frames: RawFrame[]) => boolean): Promise<RawFrame[]> {
    const end = Date.now() + 20_000;
    while (Date.now() < end) {
      const frames = this.frames();
      if (condition(frames)) return frames;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    throw new Error(`waited in vain; ${this.received.length} bytes, ${this.frames().length} frames`);
  }

  static connect(path: string): Promise<RawPeer> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(path);
      socket.once('error', reject);
      socket.once('connect', () => resolve(new RawPeer(socket)));
    });
  }
}

/** Owns a folder and what is made in it. */
export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'ilu-transport-'));
  readonly #endings: (() => void)[] = [];
  #count = 0;

  path(): string {
    return join(this.folder, `s${++this.#count}`);
  }

  atEnd(action: () => void): void {
    this.#endings.push(action);
  }

  transport(settings: { maxBodyBytes?: number; highWaterBytes?: number; spinUs?: number } = {}): Transport {
    const transport = new Transport({
      maxBodyBytes: settings.maxBodyBytes ?? 64 << 20,
      spinUs: settings.spinUs ?? 0,
      highWaterBytes: settings.highWaterBytes ?? 1 << 20,
      hello: '{"role":"worker","name":"test"}',
    });
    this.atEnd(() => transport.destroy());
    return transport;
  }

  /** A listening transport; each accepted connection gets a recorder. */
  server(settings: Parameters<Stage['transport']>[0] = {}, onFrame: Recorder['onFrame'] = null) {
    const transport = this.transport(settings);
    const path = this.path();
    const accepted: { connection: Connection; recorder: Recorder }[] = [];
    const stop = transport.listen(path, 0o600, (connection) => {
      const recorder = new Recorder();
      recorder.onFrame = onFrame;
      accepted.push({ connection, recorder });
      return recorder;
    });
    return { transport, path, accepted, stop };
  }

  /** A server that answers INVOKE with its own body, without copying it through JavaScript. */
  echo(settings: Parameters<Stage['transport']>[0] = {}) {
    return this.server(settings, (connection, frame) => {
      if (frame.type !== FrameType.invoke) return;
      const meta = frame.metaBytes === 0 ? null : frame.meta();
      connection.forward(FrameType.result, 0, 3, frame.requestId, frame.x0, frame.x1, frame.x2, meta, frame.keep());
    });
  }

  end(): void {
    for (const action of this.#endings.reverse()) {
      try {
        action();
      } catch {
        // The rest must still be taken down.
      }
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Small seeded generator (mulberry32), so that a failing run can be repeated from its seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
