import { closeSync, linkSync, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { workerConfigSchema } from '../../src/config/schema.js';
import { native } from '../../src/native.js';
import type { GatewaySink } from '../../src/server/gateway.js';
import type { Give, HandedOver } from '../../src/server/hand-over.js';
import { type HttpEdge, startHttpEdge } from '../../src/server/http/edge.js';
import { startUnixSocketEdge, type UnixSocketEdge } from '../../src/server/unix-socket/edge.js';
import { Transport } from '../../src/transport/transport.js';
import { type Arrived, ScriptedGateway } from './http/scripted-gateway.js';

/** Edges that take their connections from each other, each in front of a gateway that says who answered. */

/** Its function `who` answers its arguments and the gateway's name, after no time or a little. */
export class NamedGateway extends ScriptedGateway {
  readonly name: string;
  /** The arguments it has been given, as text, in order. */
  readonly arrived: string[] = [];
  readonly tids = new Set<string>();
  transport: Transport | null = null;

  constructor(name: string) {
    super();
    this.name = name;
    this.define('who', '1', (invocation) => {
      this.arrived.push(invocation.args);
      this.tids.add(invocation.tid);
      const settle = () => invocation.settle({ payload: Buffer.from(JSON.stringify(this.#answer(invocation))) });
      // Some at once, some later, not in the order in which they came.
      if (this.arrived.length % 3 === 0) settle();
      else setTimeout(settle, this.arrived.length % 5);
    });
    this.define('hold', '1', () => {});
  }

  /** Bodies of the unix socket are tokens of its transport. */
  override invoke(
    handle: number,
    payload: number | Uint8Array | string,
    timeoutMs: number,
    tid: string,
    sink: GatewaySink,
  ): number {
    if (typeof payload !== 'number') return super.invoke(handle, payload, timeoutMs, tid, sink);
    const body = (this.transport as Transport).body(payload);
    this.transport?.drop(payload);
    return super.invoke(handle, body, timeoutMs, tid, sink);
  }

  #answer(invocation: Arrived): unknown {
    const args = JSON.parse(invocation.args) as { n: number; pad?: number };
    return { n: args.n, by: this.name, pad: 'x'.repeat(args.pad ?? 0) };
  }
}

/** Listening sockets that outlive the edges, and everything that was made, taken down in reverse. */
export class HandOverStage {
  readonly folder = mkdtempSync(join(tmpdir(), 'ilu-hand-over-'));
  readonly #endings: (() => unknown)[] = [() => rmSync(this.folder, { recursive: true, force: true })];
  #made = 0;

  atEnd(action: () => unknown): void {
    this.#endings.push(action);
  }

  async end(): Promise<void> {
    for (const action of this.#endings.reverse()) await action();
  }

  /** A socket that listens and from which nobody accepts. */
  async listener(target: { path: string } | { port: 0; host: string }): Promise<{ fd: number; port: number }> {
    const server = net.createServer();
    const made = 'path' in target ? { path: `${target.path}.made` } : target;
    await new Promise<void>((resolve) => server.listen({ ...made, backlog: 511 }, resolve));
    const fd = native().system.duplicate((server as net.Server & { _handle: { fd: number } })._handle.fd);
    this.atEnd(() => closeSync(fd));
    const port = 'path' in target ? 0 : (server.address() as net.AddressInfo).port;
    // Its maker takes the path away with it.
    if ('path' in target) linkSync(`${target.path}.made`, target.path);
    await new Promise((resolve) => server.close(resolve));
    return { fd, port };
  }

  unixEdge(fd: number): UnixSocketEdge & { gateway: NamedGateway; transport: Transport } {
    const gateway = new NamedGateway(`edge-${++this.#made}`);
    const transport = new Transport({
      maxBodyBytes: 64 << 20,
      spinUs: 0,
      highWaterBytes: 1 << 20,
      hello: JSON.stringify({ role: 'worker', name: gateway.name }),
    });
    gateway.transport = transport;
    this.atEnd(() => transport.destroy());
    const edge = startUnixSocketEdge({ transport, gateway, path: '', mode: 0o600, fd });
    return Object.defineProperties(Object.create(edge), {
      gateway: { value: gateway },
      transport: { value: transport },
    });
  }

  async httpEdge(
    fd: number,
    config: Partial<ReturnType<typeof httpDefaults>> = {},
  ): Promise<HttpEdge & { gateway: NamedGateway }> {
    const gateway = new NamedGateway(`edge-${++this.#made}`);
    const edge = await startHttpEdge({
      gateway,
      config: { ...httpDefaults(), ...config },
      log: pino({ level: 'silent' }),
      fd: native().system.duplicate(fd),
    });
    this.atEnd(() => edge.close(0));
    return Object.defineProperties(Object.create(edge), { gateway: { value: gateway } });
  }
}

function httpDefaults() {
  return workerConfigSchema.parse({}).http;
}

/** Gives each connection to `to` as another process would get it: later, and its state as JSON. */
export function giveTo(to: { takeOver(fd: number, state: never): void }, given: HandedOver[] = []): Give {
  return (handed) => {
    given.push(handed);
    const text = JSON.stringify(handed.state);
    setTimeout(() => to.takeOver(handed.fd, JSON.parse(text) as never), given.length % 3);
  };
}
