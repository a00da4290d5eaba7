import type { BackendContainer, ContainerEvents, RunResult } from '../backends/backend.js';
import type { Invocation } from '../core/invocation.js';
import type { Container } from '../core/pool/container.js';
import type { ContainerFailure, DestroyReason } from '../core/ports.js';
import type { RunMarks } from './adoption/run-marks.js';
import type { ContainerDriver, PayloadOwner } from './container-driver.js';

/** A socket takes as much at once, whatever it holds already; more may go out in parts. */
const WHOLE_BYTES = 64 * 1024;

/** One container between engine and backend: the runs in flight and the events that end them. */
export class DrivenContainer implements ContainerEvents {
  /** null = the engine does not have it yet. */
  container: Container | null = null;
  backend: BackendContainer | null = null;
  /** Its place among the run marks; -1 = it is not kept. */
  mark = -1;
  /** The name under which it is kept. */
  keptAs = '';
  /** Function of one that an earlier process has made. */
  keptFor = '';
  /** Told whether it is ready, or has ended, as long as the engine does not have it. */
  adoption: ((ready: boolean) => void) | null = null;
  readonly #driver: ContainerDriver;
  readonly #marks: RunMarks;
  readonly #runs = new Map<number, Invocation>();
  #halfSent = false;
  /** An event raised from inside `Backend.create`, before there is a handle to run anything on. */
  #early: (() => void) | null = null;

  constructor(driver: ContainerDriver, marks: RunMarks) {
    this.#driver = driver;
    this.#marks = marks;
  }

  created(): void {
    const early = this.#early;
    this.#early = null;
    early?.();
  }

  takeMark(): void {
    this.mark = this.#marks.take();
    this.marked();
  }

  /** Says what it runs now: an earlier process may have said otherwise. */
  marked(): void {
    if (this.mark < 0) return;
    if (this.#halfSent) this.#marks.halfSent(this.mark);
    else this.#marks.set(this.mark, this.#runs.size);
  }

  run(invocation: Invocation): void {
    // The wire has 32 bits for it; a container runs far fewer at once than would make two alike.
    const requestId = invocation.id >>> 0;
    this.#runs.set(requestId, invocation);
    const owner = invocation.sink as unknown as PayloadOwner;
    const payload = owner.takePayload();
    if (this.#bytesOf(payload) > WHOLE_BYTES) this.#halfSent = true;
    this.marked();
    this.backend?.run({
      requestId,
      tid: invocation.tid,
      timeoutMs: Math.max(1, Math.ceil((invocation.deadline - invocation.runningAt) / 1000)),
      payload,
      trace: owner.trace?.outgoing() ?? null,
    });
  }

  *running(): Generator<{ readonly invocation: Invocation; readonly cpuUs: number | null }> {
    for (const [requestId, invocation] of this.#runs) {
      yield { invocation, cpuUs: this.backend?.cpuUs(requestId) ?? null };
    }
  }

  async destroy(reason: DestroyReason): Promise<void> {
    await this.backend?.destroy(reason);
  }

  ready(): void {
    if (this.backend === null) this.#early = () => this.ready();
    else if (this.container === null) this.adoption?.(true);
    else this.#driver.becameReady(this);
  }

  failed(failure: ContainerFailure): void {
    if (this.backend === null) this.#early = () => this.failed(failure);
    else if (this.container === null) this.adoption?.(false);
    else this.#driver.failed(this.container, failure);
  }

  exited(failure: ContainerFailure): void {
    // Arguments are handed out once: what has begun to run cannot be repeated here, whatever the backend thinks of it.
    const repeatable = this.#runs.size === 0 && failure.transient;
    this.#runs.clear();
    if (this.container === null) this.adoption?.(false);
    else this.#driver.exited(this.container, { ...failure, transient: repeatable });
  }

  completed(result: RunResult): void {
    const invocation = this.#runs.get(result.requestId);
    if (invocation === undefined) {
      this.#driver.dropPayload(result.payload);
      return;
    }
    this.#runs.delete(result.requestId);
    if (this.#runs.size === 0) this.#halfSent = false;
    this.marked();
    this.#driver.engine.completed(this.container as Container, invocation, result);
  }

  output(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    if (this.container !== null) {
      const [running = null] = this.#runs.size === 1 ? this.#runs.values() : [];
      this.#driver.output(this.container.fn.key, this.container.id, stream, chunk, running);
      // Written while no worker listened.
    } else if (this.keptAs !== '') this.#driver.output(this.keptFor, this.keptAs, stream, chunk, null);
  }

  #bytesOf(payload: number | Uint8Array | string | null): number {
    if (payload === null || payload === 0) return 0;
    return typeof payload === 'number' ? this.#driver.payloadBytes(payload) : payload.length;
  }
}
