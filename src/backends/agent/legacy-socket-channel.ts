import type { Frame } from '../../transport/frame.js';
import { FrameType } from '../../transport/frames.js';
import type { CloseReason, Connection, ConnectionHandler, Transport } from '../../transport/transport.js';
import type { RunRequest } from '../backend.js';
import { type AgentChannel, type ChannelEvents, parseOldAnswer } from './channel.js';
import type { SocketFolder } from './socket-folder.js';

/**
 * The original's unix-socket agents. The agent listens; the worker connects as soon as its socket file is there and asks once
 * (command 0) whether it answers. The transport turns INVOKE into command 1 and keeps one request outstanding.
 */
const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 25;

export class LegacySocketChannel implements AgentChannel, ConnectionHandler {
  readonly #transport: Transport;
  readonly #folder: SocketFolder;
  readonly #events: ChannelEvents;
  #connection: Connection | null = null;
  #timer: NodeJS.Timeout | null = null;
  #pause = FIRST_PAUSE_MS;
  #ready = false;
  #closed = false;

  /** Tries to connect until `close`: the container's start-up limit bounds it. */
  constructor(transport: Transport, folder: SocketFolder, events: ChannelEvents) {
    this.#transport = transport;
    this.#folder = folder;
    this.#events = events;
    this.#connect();
  }

  run(request: RunRequest): void {
    const { payload, requestId, timeoutMs } = request;
    const connection = this.#connection;
    if (connection === null) {
      if (typeof payload === 'number') this.#transport.drop(payload);
    } else if (typeof payload === 'number' && payload !== 0) {
      connection.forward(FrameType.invoke, 0, 0, requestId, timeoutMs, 0, 0, null, payload);
    } else {
      const body = typeof payload === 'number' ? null : payload;
      connection.send(FrameType.invoke, 0, 0, requestId, timeoutMs, 0, 0, null, body ?? '{}');
    }
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#connection?.close();
    this.#connection = null;
  }

  frame(_connection: Connection, frame: Frame): void {
    if (!this.#ready) {
      this.#ready = true;
      this.#events.ready();
      return;
    }
    if (frame.type !== FrameType.result) return;
    const answer = parseOldAnswer(frame.body().toString('utf8'));
    if (answer === null)
      this.#events.broken('its agent answered with something that is no result of the original protocol');
    else this.#events.answered(frame.requestId, answer.errorClass, answer.message, answer.body, answer.runUs);
  }

  closed(_connection: Connection, reason: CloseReason): void {
    this.#connection = null;
    if (this.#closed) return;
    // A server that is only just starting may close early connections; once it has answered, an end is an end.
    if (this.#ready) this.#events.broken(reason.message);
    else this.#later();
  }

  #connect(): void {
    try {
      this.#connection = this.#folder.connect((path) => this.#transport.connect(path, '', this, true));
      this.#connection.send(FrameType.ping, 0, 0, 1, 0, 0, 0, null, null);
    } catch {
      this.#later();
    }
  }

  #later(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.#connect(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }
}
