import { connect, type Socket } from 'node:net';
import { pino } from 'pino';
import { type MethodName, methodSchemas } from '../../../src/config/api.js';
import { workerConfigSchema } from '../../../src/config/schema.js';
import { IluvatarError } from '../../../src/core/errors.js';
import type { Gateway, GatewayResult, GatewaySink } from '../../../src/server/gateway.js';
import { type HttpEdge, startHttpEdge } from '../../../src/server/http/edge.js';

/** A gateway whose functions are closures of the test, with the books that show what an edge leaked. */

export interface Call {
  method: MethodName;
  params: Record<string, unknown>;
  body: Uint8Array | null;
}

export interface Arrived {
  id: number;
  name: string;
  args: string;
  timeoutMs: number;
  tid: string;
  settle(result: Partial<GatewayResult>): void;
}

export function result(overrides: Partial<GatewayResult> = {}): GatewayResult {
  return {
    errorClass: null,
    message: null,
    details: null,
    payload: Buffer.from('null'),
    tid: 'made-here',
    queueUs: 11,
    startUs: 22,
    runUs: 33,
    throttledUs: 0,
    attempts: 1,
    state: 'warm',
    ...overrides,
  };
}

export class ScriptedGateway implements Gateway {
  readonly calls: Call[] = [];
  readonly abandoned: number[] = [];
  /** In the worker's hands; settled later by the test. */
  readonly held = new Map<number, Arrived>();
  readonly tokens = new Map<number, Buffer>();
  readonly names = new Map<string, number>();
  readonly functions = new Map<number, { name: string; run: (invocation: Arrived) => void }>();
  answer: (call: Call, progress: (line: string) => void) => Promise<unknown> = async () => ({});
  settled = 0;
  #nextHandle = 1;
  #nextId = 1;
  #nextToken = 1;

  define(name: string, version: string, run: (invocation: Arrived) => void): void {
    const handle = this.#nextHandle++;
    this.names.set(`${name}@${version}`, handle);
    this.functions.set(handle, { name: `${name}@${version}`, run });
  }

  /** A result that sits in the transport. */
  token(text: string): number {
    const token = this.#nextToken++;
    this.tokens.set(token, Buffer.from(text));
    return token;
  }

  resolve(name: string, version: string): number {
    return this.names.get(`${name}@${version}`) ?? 0;
  }

  timeoutMs(): number {
    return 60_000;
  }

  invoke(
    handle: number,
    payload: number | Uint8Array | string,
    timeoutMs: number,
    tid: string,
    sink: GatewaySink,
  ): number {
    const fn = this.functions.get(handle);
    const id = this.#nextId++;
    let inside = true;
    let done = false;
    const settle = (overrides: Partial<GatewayResult>): void => {
      if (done) throw new Error('settled twice');
      done = true;
      this.held.delete(id);
      this.settled++;
      sink.settled(result({ ...(tid === '' ? {} : { tid }), ...overrides }));
    };
    if (fn === undefined) {
      settle({ errorClass: 'not_found', message: 'no such function', state: null, payload: null });
      return 0;
    }
    const args = typeof payload === 'string' ? payload : Buffer.from(payload as Uint8Array).toString();
    const arrived: Arrived = { id, name: fn.name, args, timeoutMs, tid, settle };
    this.held.set(id, arrived);
    fn.run(arrived);
    inside = false;
    return done && !inside ? 0 : id;
  }

  abandon(id: number): void {
    this.abandoned.push(id);
  }

  async call(
    method: MethodName,
    params: unknown,
    body: Uint8Array | null,
    progress: (line: string) => void,
  ): Promise<unknown> {
    const checked = methodSchemas[method].safeParse(params);
    if (!checked.success) throw new IluvatarError('invalid', checked.error.message);
    const call = { method, params: checked.data as Record<string, unknown>, body };
    this.calls.push(call);
    return await this.answer(call, progress);
  }

  body(payload: number): Buffer {
    const bytes = this.tokens.get(payload);
    if (bytes === undefined) throw new Error(`token ${payload} is not valid`);
    return bytes;
  }

  drop(payload: number): void {
    if (!this.tokens.delete(payload)) throw new Error(`token ${payload} was dropped twice`);
  }
}

type HttpConfig = ReturnType<typeof workerConfigSchema.parse>['http'];

/** An edge on a free loopback port with everything `echo` needs; closes itself after the test. */
export async function edgeFor(
  gateway: ScriptedGateway,
  config: Partial<HttpConfig> = {},
): Promise<HttpEdge & { url: string }> {
  gateway.define('echo', '1', (invocation) => invocation.settle({ payload: Buffer.from(invocation.args) }));
  const defaults = workerConfigSchema.parse({}).http;
  const edge = await startHttpEdge({
    gateway,
    config: { ...defaults, port: 0, ...config },
    log: pino({ level: 'silent' }),
  });
  return Object.assign(edge, { url: `http://127.0.0.1:${edge.port}` });
}

/** Everything a raw connection receives, and when it has ended. */
export class RawClient {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  received = '';

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setNoDelay(true);
    this.socket.on('data', (chunk) => {
      this.received += chunk.toString('latin1');
    });
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
  }

  write(text: string): void {
    this.socket.write(text);
  }

  async until(found: (received: string) => boolean): Promise<string> {
    await eventually(
      () => found(this.received),
      () => `never came; received: ${this.received.slice(0, 500)}`,
    );
    return this.received;
  }
}

/** Polls for at most 10 s: a bound on a broken test, not a claim about time. */
export async function eventually(check: () => boolean, why: () => string = () => 'never came true'): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    if (check()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(why());
}
