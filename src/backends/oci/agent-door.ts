import { timingSafeEqual } from 'node:crypto';
import { errorCode } from '../../core/errors.js';
import type { Frame } from '../../transport/frame.js';
import { FrameType } from '../../transport/frames.js';
import type { CloseReason, Connection, ConnectionHandler, Transport } from '../../transport/transport.js';

/**
 * The socket at which one container's agent calls the worker. It stands in a folder that only this container sees, opens for the one agent that knows the
 * token, and is gone after that: neither a neighbour nor the function's own code finds anybody to talk to.
 */
export interface DoorOptions {
  readonly transport: Transport;
  /** Of the socket, on the host. */
  readonly path: string;
  readonly container: string;
  readonly token: string;
  /** Returns who handles the agent's connection from now on. */
  entered(connection: Connection): ConnectionHandler;
  refused(): void;
}

/** Somebody in the container who only holds connections open must not hold the worker's descriptors. */
const MOST_UNKNOWN = 4;

export class AgentDoor implements ConnectionHandler {
  readonly #options: DoorOptions;
  readonly #unknown = new Set<Connection>();
  #close: (() => void) | null;

  /** Throws when the socket cannot be made. Anybody may connect who can reach it: containers run under many uids. */
  constructor(options: DoorOptions) {
    this.#options = options;
    this.#close = options.transport.listen(options.path, 0o666, (connection) => {
      this.#unknown.add(connection);
      if (this.#unknown.size > MOST_UNKNOWN) queueMicrotask(() => this.#refuse(connection));
      return this;
    });
  }

  frame(connection: Connection, frame: Frame): void {
    if (!this.#unknown.delete(connection)) return;
    if (this.#close === null || !this.#expected(frame)) {
      this.#refuse(connection);
      return;
    }
    connection.handler = this.#options.entered(connection);
    this.close();
  }

  closed(connection: Connection, _reason: CloseReason): void {
    this.#unknown.delete(connection);
  }

  close(): void {
    this.#close?.();
    this.#close = null;
    for (const connection of this.#unknown) connection.close();
    this.#unknown.clear();
  }

  #expected(frame: Frame): boolean {
    if (frame.type !== FrameType.hello) return false;
    try {
      const { role, container, token } = JSON.parse(frame.meta()) as Record<string, unknown>;
      if (role !== 'agent' || container !== this.#options.container || typeof token !== 'string') return false;
      const said = Buffer.from(token);
      const known = Buffer.from(this.#options.token);
      return said.length === known.length && timingSafeEqual(said, known);
    } catch {
      return false;
    }
  }

  #refuse(connection: Connection): void {
    this.#unknown.delete(connection);
    this.#options.refused();
    const text = '{"code":"ERR_NOT_EXPECTED","message":"nobody of this name and token is expected here"}';
    connection.send(FrameType.error, errorCode('invalid'), 0, 0, 0, 0, 0, text, null);
    connection.close();
  }
}
