import { randomBytes } from 'node:crypto';
import type { ContainerFailure } from '../../core/ports.js';
import type { Frame } from '../../transport/frame.js';
import type { CloseReason, Connection, ConnectionHandler } from '../../transport/transport.js';
import type { Cgroup } from '../cgroups/pool.js';
import type { AddressLease } from '../networks.js';
import type { AgentsSocket } from './agents-socket.js';

/**
 * One sandboxed process tree from SPAWN to its end, first a *stem cell* waiting in a pool, then a function's container. It only knows its two
 * connections and who watches it; the pool and the container decide what happens.
 */
export interface CellObserver {
  /** The supervisor is there: ASSIGN can be sent. */
  supervisorUp(cell: Cell): void;
  /** The agent's runtime is up. Executables that start at ASSIGN come later, old agents never. */
  agentUp(cell: Cell): void;
  supervisorFrame(cell: Cell, frame: Frame): void;
  agentFrame(cell: Cell, frame: Frame): void;
  supervisorClosed(cell: Cell, reason: CloseReason): void;
  agentClosed(cell: Cell, reason: CloseReason): void;
  spawnFailed(cell: Cell, failure: ContainerFailure): void;
}

export class Cell {
  readonly name: string;
  readonly token: string;
  readonly cgroup: Cgroup;
  /** null = the worker's own (no root). */
  readonly userId: number | null;
  /** null = the host's network, or none. */
  readonly network: AddressLease | null;
  /** Of the supervisor, in the worker's pid namespace; 0 = not known yet. */
  pid = 0;
  supervisor: Connection | null = null;
  agent: Connection | null = null;
  ended = false;
  observer: CellObserver;

  /** Of its two connections. */
  readonly supervisorHandler: ConnectionHandler = {
    frame: (_connection, frame) => this.observer.supervisorFrame(this, frame),
    closed: (_connection, reason) => {
      this.supervisor = null;
      this.observer.supervisorClosed(this, reason);
    },
  };

  readonly agentHandler: ConnectionHandler = {
    frame: (_connection, frame) => this.observer.agentFrame(this, frame),
    closed: (_connection, reason) => {
      this.agent = null;
      this.observer.agentClosed(this, reason);
    },
  };

  constructor(
    cgroup: Cgroup,
    userId: number | null,
    network: AddressLease | null,
    observer: CellObserver,
    token = randomBytes(16).toString('hex'),
  ) {
    this.name = cgroup.name;
    this.token = token;
    this.cgroup = cgroup;
    this.userId = userId;
    this.network = network;
    this.observer = observer;
  }

  /** Its two ends will call. */
  expect(socket: AgentsSocket): this {
    socket.expectCell(this.name, this.token, (connection, hello) => {
      if (this.ended) return null;
      if (hello.role === 'supervisor' && this.supervisor === null) {
        this.supervisor = connection;
        this.observer.supervisorUp(this);
        return this.supervisorHandler;
      }
      if (hello.role === 'agent' && this.agent === null) {
        this.agent = connection;
        this.observer.agentUp(this);
        return this.agentHandler;
      }
      return null;
    });
    return this;
  }

  /** Ends its connections, which ends its processes. */
  close(socket: AgentsSocket): void {
    if (this.ended) return;
    this.ended = true;
    socket.forgetCell(this.name);
    this.agent?.close();
    this.supervisor?.close();
    this.agent = null;
    this.supervisor = null;
  }
}
