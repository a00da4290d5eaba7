import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Duplex, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** Plays supervisor and worker for one agent process: real descriptors 3 and 4, real frames, no sandbox around it. */

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** ILUVATAR_TEST_PYTHON runs these tests with another interpreter. */
export const PYTHON =
  process.env['ILUVATAR_TEST_PYTHON'] ?? (existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3');
export const PYTHON_AGENT = [PYTHON, '-I', join(ROOT, 'src/agents/python/agent.py')];
export const NODE_AGENT = [process.execPath, join(ROOT, 'src/agents/node/agent.mjs')];

const HEADER_BYTES = 32;
const WAIT_MS = 20_000;

export interface WireFrame {
  type: number;
  status: number;
  flags: number;
  requestId: number;
  x0: number;
  x1: number;
  x2: number;
  meta: Record<string, unknown>;
  body: Buffer;
}

export const Type = { hello: 1, error: 2, ping: 3, pong: 4, invoke: 5, result: 6, assign: 18, ready: 19 };
export const Status = {
  ok: 0,
  userError: 1,
  timeout: 2,
  outOfMemory: 3,
  invalid: 7,
  unavailable: 8,
  tooLarge: 11,
  startFailed: 12,
};

export function encodeFrame(
  type: number,
  requestId: number,
  x: readonly [number, number, number],
  meta: string,
  body: Buffer | string,
): Buffer {
  const metaBytes = Buffer.from(meta);
  const bodyBytes = Buffer.from(body as string);
  const head = Buffer.alloc(HEADER_BYTES);
  head[0] = 0xf1;
  head[1] = type;
  head.writeUInt32LE(requestId, 4);
  head.writeBigUInt64LE(BigInt(bodyBytes.length), 8);
  head.writeUInt32LE(metaBytes.length, 16);
  for (const [i, value] of x.entries()) head.writeUInt32LE(value, 20 + i * 4);
  return Buffer.concat([head, metaBytes, bodyBytes]);
}

/** Cuts a byte stream into frames. */
export class FrameReader {
  #bytes: Buffer[] = [];
  #size = 0;
  #needed = HEADER_BYTES;

  push(chunk: Buffer): WireFrame[] {
    this.#bytes.push(chunk);
    this.#size += chunk.length;
    const frames: WireFrame[] = [];
    while (this.#size >= this.#needed) {
      const all = this.#bytes.length === 1 ? (this.#bytes[0] as Buffer) : Buffer.concat(this.#bytes);
      this.#bytes = [all];
      if (all[0] !== 0xf1) throw new Error(`garbage on the connection: ${all.subarray(0, 32).toString('hex')}`);
      const metaBytes = all.readUInt32LE(16);
      const total = HEADER_BYTES + metaBytes + Number(all.readBigUInt64LE(8));
      this.#needed = total;
      if (this.#size < total) break;
      const metaText = all.toString('utf8', HEADER_BYTES, HEADER_BYTES + metaBytes);
      frames.push({
        type: all[1] as number,
        status: all[2] as number,
        flags: all[3] as number,
        requestId: all.readUInt32LE(4),
        x0: all.readUInt32LE(20),
        x1: all.readUInt32LE(24),
        x2: all.readUInt32LE(28),
        meta: metaText === '' ? {} : (JSON.parse(metaText) as Record<string, unknown>),
        body: all.subarray(HEADER_BYTES + metaBytes, total),
      });
      this.#bytes = [all.subarray(total)];
      this.#size -= total;
      this.#needed = HEADER_BYTES;
    }
    return frames;
  }
}

export interface AgentEnd {
  code: number | null;
  signal: string | null;
}

/** What an answer to INVOKE can be: a RESULT, or the end of the process before one. */
export type Answer = WireFrame | { ended: AgentEnd; garbage: string | null };

export class Agent {
  readonly process: ChildProcess;
  readonly exited: Promise<AgentEnd>;
  /** Bytes written to fds 1 and 2. */
  log = '';
  readonly #connection: Duplex;
  readonly #assign: Writable;
  readonly #frames: WireFrame[] = [];
  readonly #waiting: (() => void)[] = [];
  #end: AgentEnd | null = null;
  #garbage: string | null = null;
  #nextRequest = 1;

  constructor(command: readonly string[], env: Record<string, string> = {}) {
    this.process = spawn(command[0] as string, command.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', ILUVATAR_CONTAINER: 'w/c1', ILUVATAR_TOKEN: 'secret', ...env },
      cwd: '/',
    });
    this.#connection = this.process.stdio[3] as Duplex;
    this.#assign = this.process.stdio[4] as Writable;
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.log += chunk.toString('utf8');
      });
    }
    const reader = new FrameReader();
    this.#connection.on('data', (chunk: Buffer) => {
      if (this.#garbage !== null) return;
      try {
        this.#frames.push(...reader.push(chunk));
      } catch (error) {
        this.#garbage = (error as Error).message;
      }
      this.#wake();
    });
    for (const stream of [this.#connection, this.#assign]) stream.on('error', () => {});
    this.exited = new Promise((resolve) => {
      this.process.on('close', (code, signal) => {
        this.#end = { code, signal };
        this.#wake();
        resolve(this.#end);
      });
    });
  }

  get alive(): boolean {
    return this.#end === null;
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** The next frame that `wanted` accepts, or how it ended without. */
  async take(wanted: (frame: WireFrame) => boolean): Promise<Answer> {
    const limit = Date.now() + WAIT_MS;
    for (;;) {
      const index = this.#frames.findIndex(wanted);
      if (index !== -1) return this.#frames.splice(index, 1)[0] as WireFrame;
      if (this.#end !== null || this.#garbage !== null) {
        return { ended: this.#end ?? { code: null, signal: null }, garbage: this.#garbage };
      }
      const left = limit - Date.now();
      if (left <= 0) throw new Error(`no answer from the agent within ${WAIT_MS} ms; it wrote: ${this.log}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  send(bytes: Buffer): void {
    this.#connection.write(bytes);
  }

  hello(): void {
    this.send(encodeFrame(Type.hello, 0, [1, 1, 65_536], '{"role":"worker","name":"test"}', ''));
  }

  /** Sends ASSIGN; resolves with READY. */
  async assign(meta: Record<string, unknown>): Promise<WireFrame> {
    this.hello();
    this.#assign.end(encodeFrame(Type.assign, 0, [0, 0, 0], JSON.stringify(meta), ''));
    return isFrame(await this.take((frame) => frame.type === Type.ready));
  }

  /** Sends INVOKE and does not wait. */
  start(body: unknown, timeoutMs = 60_000): number {
    const id = this.#nextRequest++;
    const text = Buffer.isBuffer(body) ? body : body === undefined ? '' : JSON.stringify(body);
    this.send(encodeFrame(Type.invoke, id, [timeoutMs, 0, 0], '', text));
    return id;
  }

  answer(id: number): Promise<Answer> {
    return this.take((frame) => frame.type === Type.result && frame.requestId === id);
  }

  /** One invocation that must be answered. Buffers are sent as they are, everything else as JSON, `undefined` as no body. */
  async invoke(body: unknown): Promise<WireFrame> {
    return isFrame(await this.answer(this.start(body)));
  }

  endConnection(): void {
    this.#connection.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#end === null) this.process.kill('SIGKILL');
    // A grandchild that user code left could hold the pipes open for ever.
    for (const stream of [this.process.stdout, this.process.stderr, this.#connection, this.#assign]) stream?.destroy();
    await this.exited;
  }
}

export function isFrame(answer: Answer): WireFrame {
  if ('ended' in answer) throw new Error(`the agent ended instead of answering: ${JSON.stringify(answer)}`);
  return answer;
}

export function value(frame: WireFrame): unknown {
  return JSON.parse(frame.body.toString('utf8'));
}

export function text(frame: WireFrame, field: string): string {
  return String(frame.meta[field] ?? '');
}

/** A function's code folder, removed by `dispose`. */
export class CodeFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'iluvatar-agents-test-'));

  constructor(files: Record<string, string>) {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.path, name)), { recursive: true });
      writeFileSync(join(this.path, name), content);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** An agent with its code loaded, for the length of `use`. */
export async function withAgent<T>(
  command: readonly string[],
  files: Record<string, string>,
  assign: Record<string, unknown>,
  use: (agent: Agent, ready: WireFrame) => Promise<T>,
): Promise<T> {
  const code = new CodeFolder(files);
  const agent = new Agent(command);
  try {
    return await use(agent, await agent.assign({ function: 'test', code: code.path, layers: [], env: {}, ...assign }));
  } finally {
    await agent[Symbol.asyncDispose]();
    code[Symbol.dispose]();
  }
}
