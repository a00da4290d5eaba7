import { native } from '../../native.js';

/**
 * What a worker tells the program that manages it, in the protocol of systemd (`sd_notify`): datagrams to the socket that `NOTIFY_SOCKET` names. Without one
 * every method does nothing.
 *
 * Not promised: that anybody reads it. What cannot be sent for the moment is sent later, in order; a manager that has gone is forgotten after one complaint.
 */

export interface ServiceManagerOptions {
  /** A path, or "@name" of an abstract socket; null = nobody manages this process. */
  address: string | null;
  /** The manager ends a process that says nothing for so long; ms, 0 = it does not watch. */
  watchdogMs: number;
  /** Told once what went wrong. */
  complain(error: Error): void;
}

const RETRY_MS = 50;
/** Far more than a manager that reads at all leaves unread. */
const MAX_WAITING = 256;

export class ServiceManager {
  readonly watchdogMs: number;
  readonly #complain: (error: Error) => void;
  #address: string | null;
  #waiting: { state: string; fds: readonly number[] }[] = [];
  #retry: NodeJS.Timeout | null = null;

  constructor({ address, watchdogMs, complain }: ServiceManagerOptions) {
    this.#address = address;
    this.watchdogMs = watchdogMs;
    this.#complain = complain;
  }

  get present(): boolean {
    return this.#address !== null;
  }

  /** All that was to be ready is: who waits for the start, or for a reload, goes on. */
  ready(status: string): void {
    this.#send(['READY=1', statusLine(status)]);
  }

  /** `ready` follows. The time tells the manager which of its requests this belongs to (`Type=notify-reload`). */
  reloading(status: string): void {
    this.#send(['RELOADING=1', `MONOTONIC_USEC=${native().system.monotonicUs()}`, statusLine(status)]);
  }

  /** `extendMs`: the manager's patience lasts at least so much longer; to be said again before that is over. */
  stopping(status: string, extendMs: number): void {
    this.#send(['STOPPING=1', `EXTEND_TIMEOUT_USEC=${Math.ceil(extendMs * 1000)}`, statusLine(status)]);
  }

  status(status: string): void {
    this.#send([statusLine(status)]);
  }

  /** Another process is the one to watch from now on, and the one whose words count. */
  mainProcess(pid: number): void {
    this.#send([`MAINPID=${pid}`]);
  }

  /** To be said well within `watchdogMs`, as long as all is well. */
  alive(): void {
    this.#send(['WATCHDOG=1']);
  }

  /** Has the manager keep copies of descriptors, which the next process finds under this name. They stay open here. */
  store(name: string, fds: readonly number[]): void {
    this.#send(['FDSTORE=1', `FDNAME=${name}`], fds);
  }

  #send(lines: readonly string[], fds: readonly number[] = []): void {
    if (this.#address === null) return;
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push({ state: lines.join('\n'), fds });
    if (this.#retry === null) this.#flush();
  }

  #flush(): void {
    this.#retry = null;
    for (let next = this.#waiting[0]; next !== undefined && this.#address !== null; next = this.#waiting[0]) {
      try {
        native().system.notify(this.#address, next.state, [...next.fds]);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
          this.#retry = setTimeout(() => this.#flush(), RETRY_MS).unref();
          return;
        }
        this.#address = null;
        this.#complain(error as Error);
      }
      this.#waiting.shift();
    }
  }
}

/** Lines are assignments: a line break in a text would begin another one. */
function statusLine(text: string): string {
  return `STATUS=${text.replace(/\s+/g, ' ')}`;
}
