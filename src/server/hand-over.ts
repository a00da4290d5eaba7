/**
 * Client connections on their way from one process to its successor. An edge gives each of them away as a descriptor as soon as nothing is in flight on it: what its
 * client sent and nobody read waits in the kernel, so that the client notices nothing.
 */

/** What the unix-socket edge knows of a client since its HELLO. */
export interface UnixClientState {
  /** Prefix of the transaction ids of requests that name none; '' = it gave none. */
  readonly tidPrefix: string;
  /** Largest body it takes; bytes, null = it stated none. */
  readonly peerMaxBody: number | null;
}

export interface HttpClientState {
  /** It has had an answer: the time for a first request is not to be counted any more. */
  readonly used: boolean;
}

/** `fd` is the receiver's, to be closed by it; `state` survives JSON. */
export type HandedOver =
  | { readonly edge: 'unix'; readonly fd: number; readonly state: UnixClientState }
  | { readonly edge: 'http'; readonly fd: number; readonly state: HttpClientState };

/** Called at once when a connection is free, from inside whatever freed it: must neither throw nor take long. */
export type Give = (connection: HandedOver) => void;

/** Connections that ended by themselves are in neither number. */
export interface HandOverResult {
  readonly given: number;
  /** Something was still in flight on them when the time was over; they go on as before, with the edge that had them. */
  readonly kept: number;
  /** Nobody waits for an answer on them, but they have not come to the end of what they began to say; they go on, too. */
  readonly stalled: number;
}

/** Nothing tells when the kernel has taken the last bytes of an answer, or when a client that is in the middle of a request has sent the rest. */
const LOOK_AGAIN_MS = 5;
/**
 * Who waits for no answer, and for a second says neither HELLO nor the rest of what was begun, holds nobody else up. In looks: a process that was not let run for that second has seen nobody stall.
 */
const STALLED_LOOKS = 1_000 / LOOK_AGAIN_MS;

/** Gives an edge's connections away one by one, until there are none or the time is over. */
export class HandOver<Client> {
  readonly done: Promise<HandOverResult>;
  readonly #clients: ReadonlySet<Client>;
  readonly #give: (client: Client) => boolean;
  readonly #isBusy: (client: Client) => boolean;
  #looksSinceBusy = 0;
  readonly #timers: NodeJS.Timeout[];
  #given = 0;
  #over = false;
  #finish!: (result: HandOverResult) => void;

  /**
   * `clients`: the edge's own set, which loses those that are given or end. `give` gives one away if it is free; one that `isBusy` has something in flight. It is tried with all of them at once, and again for whom `look` is
   * called, and now and then.
   */
  constructor(
    clients: ReadonlySet<Client>,
    limitMs: number,
    give: (client: Client) => boolean,
    isBusy: (client: Client) => boolean,
  ) {
    this.#clients = clients;
    this.#give = give;
    this.#isBusy = isBusy;
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#timers = [
      setInterval(() => this.#lookAtAll(), LOOK_AGAIN_MS),
      setTimeout(() => {
        this.#lookAtAll();
        this.#end();
      }, limitMs),
    ];
    this.#lookAtAll();
  }

  /** Something has ended on it. Not at once: whoever says so is still in the middle of it, and nothing more is read before this. */
  look(client: Client): void {
    queueMicrotask(() => this.#try(client));
  }

  #lookAtAll(): void {
    for (const client of this.#clients) this.#try(client);
    this.#looksSinceBusy = this.#busy > 0 ? 0 : this.#looksSinceBusy + 1;
    if (this.#clients.size === 0 || this.#looksSinceBusy > STALLED_LOOKS) this.#end();
  }

  get #busy(): number {
    return [...this.#clients].filter((client) => this.#isBusy(client)).length;
  }

  #try(client: Client): void {
    if (this.#over || !this.#clients.has(client) || !this.#give(client)) return;
    this.#given++;
    if (this.#clients.size === 0) this.#end();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const kept = this.#busy;
    this.#finish({ given: this.#given, kept, stalled: this.#clients.size - kept });
  }
}
