import { errorCode } from '../../core/errors.js';
import type { Frame } from '../../transport/frame.js';
import { FrameType } from '../../transport/frames.js';
import type { CloseReason, Connection, ConnectionHandler, Transport } from '../../transport/transport.js';
import type { BackendLog } from '../log.js';

/**
 * The socket on which spawners, supervisors and agents call the worker. A connection becomes somebody by its HELLO: a spawner by a name that
 * is expected, the two ends of a container by its 128-bit token. Anybody else is refused and counted.
 */
export interface Hello {
  readonly role: string;
  readonly name?: string;
  readonly container?: string;
  readonly token?: string;
  readonly pid?: number;
  /** Protections a spawner could not set up; sentences. */
  readonly off?: readonly string[];
}

/** Takes over a connection that has said who it is; null = not wanted. */
export type Claim = (connection: Connection, hello: Hello) => ConnectionHandler | null;

interface ExpectedCell {
  readonly token: string;
  readonly claim: Claim;
}

export class AgentsSocket implements ConnectionHandler {
  readonly #transport: Transport;
  readonly #log: BackendLog;
  readonly #spawners = new Map<string, Claim>();
  readonly #cells = new Map<string, ExpectedCell>();
  /** Accepted and silent so far. An agent that speaks the framed protocol only after its code is loaded stays here until then. */
  readonly #unknown = new Set<Connection>();
  #close: (() => void) | null = null;
  refused = 0;

  constructor(transport: Transport, log: BackendLog) {
    this.#transport = transport;
    this.#log = log;
  }

  /** Throws EADDRINUSE when another worker serves this path. */
  open(path: string): void {
    this.#close = this.#transport.listen(path, 0o600, (connection) => {
      this.#unknown.add(connection);
      return this;
    });
  }

  close(): void {
    this.#close?.();
    this.#close = null;
    for (const connection of this.#unknown) connection.close();
    this.#unknown.clear();
  }

  expectSpawner(name: string, claim: Claim): void {
    this.#spawners.set(name, claim);
  }

  forgetSpawner(name: string): void {
    this.#spawners.delete(name);
  }

  expectCell(container: string, token: string, claim: Claim): void {
    this.#cells.set(container, { token, claim });
  }

  forgetCell(container: string): void {
    this.#cells.delete(container);
  }

  frame(connection: Connection, frame: Frame): void {
    this.#unknown.delete(connection);
    const hello = frame.type === FrameType.hello ? parseHello(frame.meta()) : null;
    const handler = hello === null ? null : this.#claim(connection, hello);
    if (handler !== null) {
      connection.handler = handler;
      return;
    }
    this.refused++;
    this.#log.warn(
      { role: hello?.role, name: hello?.name ?? hello?.container, peer: peerOf(connection) },
      'a stranger on the agents socket was refused',
    );
    connection.send(
      FrameType.error,
      errorCode('invalid'),
      0,
      0,
      0,
      0,
      0,
      '{"code":"ERR_NOT_EXPECTED","message":"nobody of this name and token is expected here"}',
      null,
    );
    connection.close();
  }

  closed(connection: Connection, _reason: CloseReason): void {
    this.#unknown.delete(connection);
  }

  #claim(connection: Connection, hello: Hello): ConnectionHandler | null {
    if (hello.role === 'spawner') return this.#spawners.get(hello.name ?? '')?.(connection, hello) ?? null;
    if (hello.role !== 'supervisor' && hello.role !== 'agent') return null;
    const expected = this.#cells.get(hello.container ?? '');
    if (expected === undefined || expected.token !== hello.token) return null;
    return expected.claim(connection, hello);
  }
}

function parseHello(meta: string): Hello | null {
  try {
    const hello = JSON.parse(meta) as Hello;
    return typeof hello === 'object' && hello !== null && typeof hello.role === 'string' ? hello : null;
  } catch {
    return null;
  }
}

/** Who connected; null when it has left meanwhile. */
function peerOf(connection: Connection): ReturnType<Connection['peer']> | null {
  try {
    return connection.peer();
  } catch {
    return null;
  }
}
