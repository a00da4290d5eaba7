import { constants, type Http2Session } from 'node:http2';

/** The connections of a gRPC server: whether they still live, what they may ping, and how they end without a call that fails. */

export interface GrpcSessionOptions {
  /** A connection on which nothing has come for so long is asked whether it still lives; ms, 0 = never. */
  readonly keepAliveMs: number;
  /** One that does not answer that for so long is cut off; ms. */
  readonly keepAliveTimeoutMs: number;
  /** Pings of a client may come so often, while it calls nothing; ms. */
  readonly minPingMs: number;
}

/** Pings that come too early before the client is cut off: a few may have been held up on their way. */
const PING_STRIKES = 3;
/** While it has calls open: clients measure their line by pings as data comes, one after the other for as long as a large answer takes. */
const PING_STRIKES_BUSY = 1000;
/** How much all calls of a connection may send ahead, together. */
const SESSION_WINDOW = 4 * 1024 * 1024;
/** The highest there is: "no new calls, but I take those that are on their way". */
const ANY_STREAM = 2 ** 31 - 1;
/** Clients on Node's own HTTP/2 answer nothing more once they have been sent away and have no calls open. */
const PONG_PATIENCE_MS = 250;
const TOO_MANY_PINGS = Buffer.from('too_many_pings');

/** What is known of one connection. */
export interface ConnectionFacts {
  /** Calls that are open. */
  calls: number;
  /** A call or a ping has come since it was last looked at. */
  heard: boolean;
  /** Times of `performance.now()`. */
  heardAt: number;
  pingedAt: number;
  strikes: number;
  /** An unanswered ping of ours. */
  asking: boolean;
  leaving: boolean;
}

export class GrpcSessions {
  readonly #options: GrpcSessionOptions;
  readonly #open = new Map<Http2Session, ConnectionFacts>();
  readonly #keepAlive: NodeJS.Timeout | null;
  #emptied: (() => void)[] = [];
  #leaving = false;

  constructor(options: GrpcSessionOptions) {
    this.#options = options;
    const { keepAliveMs } = options;
    this.#keepAlive = keepAliveMs === 0 ? null : setInterval(() => this.#askQuiet(), Math.max(50, keepAliveMs / 4));
    this.#keepAlive?.unref();
  }

  get size(): number {
    return this.#open.size;
  }

  opened(session: Http2Session): void {
    const facts: ConnectionFacts = {
      calls: 0,
      heard: false,
      heardAt: performance.now(),
      pingedAt: 0,
      strikes: 0,
      asking: false,
      leaving: false,
    };
    this.#open.set(session, facts);
    session.on('error', () => {});
    session.on('ping', () => this.#pinged(session, facts));
    session.on('close', () => this.#closed(session));
    if (!session.destroyed) session.setLocalWindowSize(SESSION_WINDOW);
    if (this.#leaving) this.#leave(session, facts);
  }

  /** For `began` and `ended`; undefined = it is no more. */
  of(session: Http2Session | undefined): ConnectionFacts | undefined {
    return session === undefined ? undefined : this.#open.get(session);
  }

  /** A call has come on it. */
  began(facts: ConnectionFacts): void {
    facts.calls++;
    this.#used(facts);
  }

  /** It has been answered, or given up. A client measures its line by a ping at each answer, too (grpc-go does, and the C core). */
  ended(facts: ConnectionFacts): void {
    facts.calls--;
    this.#used(facts);
  }

  #used(facts: ConnectionFacts): void {
    facts.heard = true;
    facts.strikes = 0;
    facts.pingedAt = 0;
  }

  /** Tells all clients to go elsewhere, and resolves when the last has; calls that are open are answered first. */
  leave(): Promise<void> {
    this.#leaving = true;
    for (const [session, facts] of this.#open) this.#leave(session, facts);
    return new Promise((resolve) => {
      if (this.#open.size === 0) resolve();
      else this.#emptied.push(resolve);
    });
  }

  destroy(): void {
    for (const session of this.#open.keys()) session.destroy();
  }

  stop(): void {
    if (this.#keepAlive !== null) clearInterval(this.#keepAlive);
  }

  /**
   * In two steps: first "no new calls", while those that have crossed it on their way are taken; then, when the client must have read it (it has answered a ping), "these were the last".
   * Otherwise what the client sent in between would be lost, and its caller could not know whether it ran.
   */
  #leave(session: Http2Session, facts: ConnectionFacts): void {
    if (facts.leaving || session.destroyed) return;
    facts.leaving = true;
    session.goaway(constants.NGHTTP2_NO_ERROR, ANY_STREAM);
    const close = (): void => {
      clearTimeout(patience);
      if (!session.destroyed) session.close();
    };
    const patience = setTimeout(close, PONG_PATIENCE_MS);
    session.once('close', () => clearTimeout(patience));
    if (!session.ping(close)) close();
  }

  #closed(session: Http2Session): void {
    this.#open.delete(session);
    if (this.#open.size > 0) return;
    const emptied = this.#emptied;
    this.#emptied = [];
    for (const done of emptied) done();
  }

  #pinged(session: Http2Session, facts: ConnectionFacts): void {
    const now = performance.now();
    facts.heard = true;
    const early = facts.pingedAt > 0 && now - facts.pingedAt < this.#options.minPingMs;
    facts.pingedAt = now;
    if (!early) return;
    facts.strikes++;
    const most = facts.calls > 0 ? PING_STRIKES_BUSY : PING_STRIKES;
    if (facts.strikes <= most || session.destroyed) return;
    session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, TOO_MANY_PINGS);
    session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  #askQuiet(): void {
    const now = performance.now();
    for (const [session, facts] of this.#open) {
      if (facts.heard) facts.heardAt = now;
      facts.heard = false;
      if (facts.asking || session.destroyed || now - facts.heardAt < this.#options.keepAliveMs) continue;
      this.#ask(session, facts);
    }
  }

  #ask(session: Http2Session, facts: ConnectionFacts): void {
    const cut = setTimeout(() => session.destroy(), this.#options.keepAliveTimeoutMs);
    cut.unref();
    facts.asking = session.ping((error) => {
      clearTimeout(cut);
      facts.asking = false;
      if (error === null) facts.heardAt = performance.now();
    });
    if (!facts.asking) {
      clearTimeout(cut);
      session.destroy();
    }
  }
}
