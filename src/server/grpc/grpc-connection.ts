import type { Frame } from '../../transport/frame.js';
import { HTTP2_END, Http2Code, type Http2Connection, Http2Event } from '../../transport/http2.js';
import type { Connection, ConnectionHandler } from '../../transport/transport.js';
import type { GrpcCall } from './grpc-call.js';

/** One connection of a gRPC server: its calls, what its client may ping, and its end. */

/** Pings that come too early before the client is cut off: a few may have been held up on their way. */
const PING_STRIKES = 3;
/** While it has calls open: clients measure their line by pings as data comes, one after the other for as long as a large answer takes. */
const PING_STRIKES_BUSY = 1000;
/** Clients on Node's own HTTP/2 answer nothing more once they have been sent away and have no calls open. */
const PONG_PATIENCE_MS = 250;
/** A client that has been told everything closes at once; one that is gone never does. */
const LINGER_MS = 1000;

export interface ConnectionOwner {
  readonly minPingMs: number;
  /** A stream begins. What it throws is a defect. */
  begin(connection: GrpcConnection, frame: Frame): void;
  /** It is no more, and its calls are told. */
  closed(connection: GrpcConnection): void;
}

export class GrpcConnection implements ConnectionHandler {
  /** Set by whoever has made it of this handler, before anything comes. */
  http2!: Http2Connection;
  /** Those that are open, by their streams. */
  readonly calls = new Map<number, GrpcCall>();
  readonly #owner: ConnectionOwner;
  /** Something has come since it was last looked at. */
  #heard = false;
  /** Times of `performance.now()`. */
  #heardAt = performance.now();
  #pingedAt = 0;
  #strikes = 0;
  /** Told of the answers to our own pings, in order. */
  readonly #asked: (() => void)[] = [];
  #asking = false;
  #leaving = false;
  /** Of an unanswered question, and of its end. */
  #cut: NodeJS.Timeout | undefined;
  #end: NodeJS.Timeout | undefined;

  constructor(owner: ConnectionOwner) {
    this.#owner = owner;
  }

  frame(_connection: Connection, frame: Frame): void {
    this.#heard = true;
    switch (frame.type) {
      case Http2Event.request:
        this.#owner.begin(this, frame);
        return;
      case Http2Event.data:
        this.#data(frame);
        return;
      case Http2Event.reset:
        this.calls.get(frame.requestId)?.gone();
        return;
      case Http2Event.ping:
        this.#pinged();
        return;
      case Http2Event.pong:
        this.#asked.shift()?.();
    }
  }

  #data(frame: Frame): void {
    const call = this.calls.get(frame.requestId);
    if (call === undefined) return;
    if (frame.bodyBytes > 0) call.received(frame.body());
    if ((frame.flags & HTTP2_END) !== 0) call.ended();
  }

  finished(): void {
    this.#end = setTimeout(() => this.destroy(), LINGER_MS);
    this.#end.unref();
  }

  closed(): void {
    this.#gone();
  }

  began(stream: number, call: GrpcCall): void {
    this.calls.set(stream, call);
    this.#used();
  }

  /** It has been answered, or given up. A client measures its line by a ping at each answer, too (grpc-go does, and the C core). */
  ended(stream: number): void {
    this.calls.delete(stream);
    this.#used();
  }

  #used(): void {
    this.#strikes = 0;
    this.#pingedAt = 0;
  }

  /** Closes at once, whatever is open. */
  destroy(): void {
    if (!this.http2.open) return;
    this.http2.abort();
    this.#gone();
  }

  /**
   * In two steps: first "no new calls", while those that have crossed it on their way are taken; then, when the client must have read it (it has answered a ping), "these were the last".
   * Otherwise what the client sent in between would be lost, and its caller could not know whether it ran.
   */
  leave(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.http2.announceEnd();
    const last = (): void => {
      clearTimeout(this.#end);
      this.http2.leave();
    };
    this.#end = setTimeout(last, PONG_PATIENCE_MS);
    this.#ping(last);
  }

  /** How long nothing was heard of it; 0 while it is being asked. */
  quietMs(now: number): number {
    if (this.#heard) this.#heardAt = now;
    this.#heard = false;
    return this.#asking ? 0 : now - this.#heardAt;
  }

  /** Whether it lives. It is cut off when it has not said so after `patienceMs`. */
  ask(patienceMs: number): void {
    this.#asking = true;
    this.#cut = setTimeout(() => this.destroy(), patienceMs);
    this.#cut.unref();
    this.#ping(() => {
      this.#asking = false;
      this.#heardAt = performance.now();
      clearTimeout(this.#cut);
    });
  }

  #ping(answered: () => void): void {
    this.#asked.push(answered);
    this.http2.ping();
  }

  #pinged(): void {
    const now = performance.now();
    const early = this.#pingedAt > 0 && now - this.#pingedAt < this.#owner.minPingMs;
    this.#pingedAt = now;
    if (!early) return;
    this.#strikes++;
    const most = this.calls.size > 0 ? PING_STRIKES_BUSY : PING_STRIKES;
    if (this.#strikes <= most || !this.http2.open) return;
    this.http2.fail(Http2Code.enhanceYourCalm, 'too_many_pings');
    this.#gone();
  }

  #gone(): void {
    clearTimeout(this.#cut);
    clearTimeout(this.#end);
    for (const call of [...this.calls.values()]) call.gone();
    this.#owner.closed(this);
  }
}
