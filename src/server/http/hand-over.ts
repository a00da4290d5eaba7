import { closeSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer, Socket } from 'node:net';
import { native } from '../../native.js';
import { type Give, HandOver, type HandOverResult, type HttpClientState } from '../hand-over.js';
import { RequestRest } from './request-rest.js';
import { type Handle, isBetweenRequests, isFree, type ServerSocket } from './server-socket.js';

/** HTTP connections that go to another process between two requests, or come from one. */

/** Gives away what `server` has. One for each time. */
export class HttpHandOver {
  readonly #server: Server;
  readonly #sockets: Set<Socket>;
  readonly #used: WeakSet<Socket>;
  readonly #watched = new WeakSet<ServerResponse>();
  /** Whose reading has been stopped, with the rest of the request that they were in the middle of. */
  readonly #held = new Map<Handle, RequestRest>();
  #handing: HandOver<Socket> | null = null;

  /** `used`: sockets that had answers before they came here. */
  constructor(server: Server, sockets: Set<Socket>, used: WeakSet<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
    this.#used = used;
  }

  async run(give: Give, limitMs: number): Promise<HandOverResult> {
    // The listening socket only: `close` of an HTTP server would also end the idle connections.
    NetServer.prototype.close.call(this.#server);
    const watch = (_request: IncomingMessage, response: ServerResponse): void => this.#watch(response);
    this.#server.on('request', watch).on('checkContinue', watch);
    const isBusy = (socket: ServerSocket): boolean => socket._httpMessage != null;
    this.#handing = new HandOver(this.#sockets, limitMs, (socket) => this.#give(socket, give), isBusy);
    const result = await this.#handing.done;
    this.#server.off('request', watch).off('checkContinue', watch);
    for (const socket of this.#sockets) this.#readOn(socket);
    return result;
  }

  #give(socket: ServerSocket, give: Give): boolean {
    const handle = socket._handle;
    if (handle == null || socket.destroyed) return false;
    if (!isFree(socket)) {
      if (socket._httpMessage != null) this.#watch(socket._httpMessage);
      this.#hold(socket, handle);
      return false;
    }
    const fd = native().system.duplicate(handle.fd);
    const used = socket.bytesRead > 0 || this.#used.has(socket);
    // With its copy open this closes a descriptor, and nothing is said to the client.
    socket.destroy();
    this.#sockets.delete(socket);
    give({ edge: 'http', fd, state: { used } });
    return true;
  }

  /** The moment of `finish` is the only one at which a client that always asks again is free. */
  #watch(response: ServerResponse): void {
    if (this.#watched.has(response)) return;
    this.#watched.add(response);
    const { socket, req } = response;
    const of = socket ?? req.socket;
    response.once('finish', () => this.#handing?.look(of));
  }

  /**
   * Whoever sends requests ahead would never be free: what is behind the ones that were read stays in the kernel. Stopping alone is not enough, since Node starts reading again for
   * reasons of its own (the end of a body, for one).
   */
  #hold(socket: ServerSocket, handle: Handle): void {
    const held = this.#held.get(handle);
    if (held !== undefined) {
      if (!isBetweenRequests(socket)) held.advance(handle);
      return;
    }
    this.#held.set(handle, new RequestRest(this.#server, socket));
    handle.readStop();
    handle.readStart = () => 0;
  }

  #readOn(socket: ServerSocket): void {
    const handle = socket._handle;
    if (handle == null || !this.#held.delete(handle)) return;
    // What stands on the prototype shows again.
    delete (handle as { readStart?: unknown }).readStart;
    if (socket._paused !== true) handle.readStart();
  }
}

/** Connections that another process gave away, and on which there has been no request since. */
export class TakenOver {
  readonly #server: Server;
  readonly #keepAliveMs: number;
  readonly #used: WeakSet<Socket>;
  readonly #waiting = new Set<Socket>();

  /** `used` learns of those that have had answers. */
  constructor(server: Server, keepAliveMs: number, used: WeakSet<Socket>) {
    this.#server = server;
    this.#keepAliveMs = keepAliveMs;
    this.#used = used;
  }

  /** `fd` is the server's in any case; throws when it is no socket. */
  add(fd: number, state: HttpClientState): void {
    let socket: Socket;
    try {
      socket = new Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    if (state.used) this.#await(socket);
    this.#server.emit('connection', socket);
  }

  /** The server has run out of patience with a first request, while its time is that between two requests. */
  isBetweenRequests(socket: Socket): boolean {
    return this.#waiting.has(socket) && socket.bytesRead === 0;
  }

  /** Node takes them for connections whose first request is still on its way, and leaves them open. */
  closeIdle(): void {
    for (const socket of this.#waiting) if (socket.bytesRead === 0) socket.destroy();
  }

  #await(socket: Socket): void {
    this.#used.add(socket);
    this.#waiting.add(socket);
    // Not the socket's own time-out: Node would not take that back when a request comes.
    const timer = setTimeout(() => {
      this.#waiting.delete(socket);
      if (socket.bytesRead === 0) socket.destroy();
    }, this.#keepAliveMs);
    timer.unref();
    socket.once('close', () => {
      clearTimeout(timer);
      this.#waiting.delete(socket);
    });
  }
}
