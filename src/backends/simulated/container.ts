import { performance } from 'node:perf_hooks';
import type { ErrorClass, ErrorDetails } from '../../core/errors.js';
import type { Device } from '../../core/function.js';
import type { ContainerFailure } from '../../core/ports.js';
import type { Random } from '../../core/random.js';
import type { BackendContainer, ContainerEvents, RunRequest } from '../backend.js';
import type { Alarm, Alarms } from './alarms.js';
import type { DescribedOutcome } from './description.js';
import type { SimulatedFunction } from './function.js';
import { fillTemplate } from './template.js';

/** What containers share. */
export interface ContainerContext {
  readonly alarms: Alarms;
  /** From being told that its time has passed to its end, for what does not obey; µs. */
  readonly killGraceUs: number;
  /** Largest result; bytes. */
  readonly maxBodyBytes: number;
  /** The arguments; uses up a token. */
  arguments(payload: RunRequest['payload']): string;
  /** Nothing is left of it. */
  gone(container: SimulatedContainer): void;
}

interface Run {
  readonly requestId: number;
  readonly beganAt: number;
  readonly outcome: DescribedOutcome | null;
  alarm: Alarm | null;
  cancelled: boolean;
}

/** What an agent needs to answer after it has been interrupted; µs. */
const INTERRUPT_US = 1000;

/**
 * A container that exists in time only. It goes through the states of a real one and raises the same events, after the times that its function's behaviour
 * says. Idle it costs nothing: no alarm.
 */
export class SimulatedContainer implements BackendContainer {
  readonly name: string;
  readonly fn: SimulatedFunction;
  readonly #device: Device;
  readonly #env: Readonly<Record<string, string>>;
  readonly #random: Random;
  readonly #context: ContainerContext;
  readonly #events: ContainerEvents;
  readonly #runs = new Map<number, Run>();
  #state: 'creating' | 'ready' | 'ended' = 'creating';
  #starting: Alarm | null = null;
  #calls = 0;
  #destroyed: Promise<void> | null = null;

  constructor(
    name: string,
    fn: SimulatedFunction,
    env: Readonly<Record<string, string>>,
    random: Random,
    context: ContainerContext,
    events: ContainerEvents,
  ) {
    this.name = name;
    this.fn = fn;
    // The worker says so to whatever is inside.
    this.#device = env['CUDA_VISIBLE_DEVICES'] === undefined ? 'cpu' : 'gpu';
    this.#env = env;
    this.#random = random;
    this.#context = context;
    this.#events = events;
  }

  /** It is nowhere but in this process. */
  keepable(): null {
    return null;
  }

  /** Bytes; 0 = it is not there. */
  get memoryBytes(): number {
    if (this.#state === 'ended') return 0;
    const { behaviour, definition } = this.fn;
    return Math.round((behaviour.description.memoryMb ?? definition.memoryMb) * 1024 * 1024);
  }

  start(): void {
    const { behaviour, definition } = this.fn;
    const { createUs, loadUs } = behaviour.creation(this.#device, this.#random);
    const limitMs = definition.startupTimeoutMs;
    const { loading } = behaviour.description;
    let end = (): void => this.#ready();
    if (createUs + loadUs > limitMs * 1000) {
      const message = `its code was not loaded within ${limitMs} ms (startupTimeoutMs)`;
      end = () => this.#fail({ errorClass: 'start_failed', message, details: null, transient: false });
    } else if (behaviour.failsForNow(this.#random)) {
      const message = 'the simulated container could not be made this time';
      end = () => this.#fail({ errorClass: 'start_failed', message, details: null, transient: true });
    } else if (loading !== null) {
      const { message, traceback } = loading;
      const details = traceback === null ? null : { traceback };
      end = () => this.#fail({ errorClass: 'start_failed', message, details, transient: false });
    }
    this.#starting = this.#context.alarms.after(Math.min(createUs + loadUs, limitMs * 1000), end);
  }

  run(request: RunRequest): void {
    const { requestId } = request;
    const text = this.#context.arguments(request.payload);
    if (this.#state !== 'ready') return;
    const first = this.#calls++ === 0;
    let args: unknown = {};
    let wrong: string | null = null;
    try {
      if (text !== '') args = JSON.parse(text);
    } catch (error) {
      wrong = `the arguments are not JSON: ${(error as Error).message}`;
    }
    const { behaviour } = this.fn;
    const outcome = wrong === null ? behaviour.outcome(args) : null;
    const runUs = wrong === null ? behaviour.runUs(args, outcome, this.#device, first, this.#random) : 0;
    const run: Run = { requestId, beganAt: performance.now(), outcome, alarm: null, cancelled: false };
    this.#runs.set(requestId, run);
    run.alarm = this.#context.alarms.after(runUs, () => {
      if (wrong === null) this.#end(run, args, runUs, first);
      else this.#answer(run, 'invalid', wrong, null, null, 0);
    });
  }

  cancel(requestId: number, reason: 'timeout' | 'cancelled'): void {
    const run = this.#runs.get(requestId);
    if (run === undefined || run.cancelled) return;
    run.cancelled = true;
    const { alarms, killGraceUs } = this.#context;
    alarms.cancel(run.alarm);
    const obeys = run.outcome?.obeys ?? true;
    run.alarm = alarms.after(obeys ? Math.min(INTERRUPT_US, killGraceUs) : killGraceUs, () => {
      const traceback = obeys ? (run.outcome?.traceback ?? null) : null;
      const message = reason === 'timeout' ? 'the function did not finish in its time' : 'the invocation was cancelled';
      this.#answer(run, reason, message, traceback === null ? null : { traceback }, null, 0);
      const others = `its container was ended because another invocation in it ${reason === 'timeout' ? 'overran its time' : 'was cancelled'}`;
      const alone = this.#runs.size === 0;
      this.#exit({
        errorClass: alone ? reason : 'crashed',
        message: alone ? message : others,
        details: null,
        transient: !alone,
      });
    });
  }

  /** As if it kept a core busy, or its part of one. */
  cpuUs(requestId: number): number | null {
    const run = this.#runs.get(requestId);
    if (run === undefined) return null;
    return Math.round(1000 * (performance.now() - run.beganAt) * Math.min(1, this.fn.definition.cpus));
  }

  destroy(): Promise<void> {
    this.#destroyed ??= this.#destroy();
    return this.#destroyed;
  }

  async #destroy(): Promise<void> {
    const us = this.fn.behaviour.destroyUs(this.#random);
    this.#quiet();
    if (us > 0) await new Promise<void>((resolve) => this.#context.alarms.after(us, resolve));
    this.#context.gone(this);
  }

  #ready(): void {
    this.#state = 'ready';
    this.#events.ready();
  }

  /** Told when nothing of it is left. */
  #fail(failure: ContainerFailure): void {
    this.#quiet();
    this.#destroyed = Promise.resolve();
    this.#context.gone(this);
    this.#events.failed(failure);
  }

  #end(run: Run, args: unknown, runUs: number, first: boolean): void {
    const { outcome } = run;
    const written = outcome?.written;
    if (written !== undefined && written.stdout !== '') this.#events.output('stdout', Buffer.from(written.stdout));
    if (written !== undefined && written.stderr !== '') this.#events.output('stderr', Buffer.from(written.stderr));
    if (outcome !== null && outcome.exit !== null) {
      this.#exit(this.#endOf(outcome.exit));
      return;
    }
    const details = detailsOf(outcome);
    const errorClass = outcome?.errorClass ?? null;
    if (errorClass !== null) {
      this.#answer(run, errorClass, outcome?.message ?? errorClass, details, null, runUs);
      return;
    }
    const { maxBodyBytes } = this.#context;
    const result = this.#result(run, args, first);
    const body = result === null ? null : Buffer.from(JSON.stringify(result.value) ?? 'null');
    if (body !== null && body.length <= maxBodyBytes) {
      this.#answer(run, null, outcome?.message ?? null, details, body, runUs);
      return;
    }
    this.#answer(run, 'too_large', `the result is above ${maxBodyBytes} bytes`, details, null, runUs);
  }

  /** Null = too large. */
  #result(run: Run, args: unknown, cold: boolean): { value: unknown } | null {
    const { behaviour, key, definition } = this.fn;
    const own = run.outcome?.result;
    const template = own === undefined ? behaviour.description.result : own;
    const [start, end] = [performance.timeOrigin + run.beganAt, performance.timeOrigin + performance.now()];
    if (template === undefined) {
      return { value: { cold, start: start / 1000, end: end / 1000, latency: (end - start) / 1000 } };
    }
    const environment = { ...definition.env, ...this.#env };
    const values = { args, calls: this.#calls, cold, function: key, container: this.name, environment };
    return fillTemplate(template, values, this.#context.maxBodyBytes);
  }

  #answer(
    run: Run,
    errorClass: ErrorClass | null,
    message: string | null,
    details: ErrorDetails | null,
    payload: Uint8Array | null,
    runUs: number,
  ): void {
    const cpuUs = this.cpuUs(run.requestId);
    if (!this.#runs.delete(run.requestId)) return;
    this.#context.alarms.cancel(run.alarm);
    this.#events.completed({ requestId: run.requestId, errorClass, message, details, payload, runUs, cpuUs });
  }

  #exit(failure: ContainerFailure): void {
    if (this.#state === 'ended') return;
    this.#quiet();
    this.#events.exited(failure);
  }

  #endOf(exit: NonNullable<DescribedOutcome['exit']>): ContainerFailure {
    const crashed = (message: string, evidence: Record<string, unknown>): ContainerFailure => ({
      errorClass: 'crashed',
      message,
      details: { evidence },
      transient: false,
    });
    if ('code' in exit) return crashed(`the function ended with code ${exit.code}`, { exitCode: exit.code });
    if ('signal' in exit) return crashed(`the function was killed by ${exit.signal}`, { signal: exit.signal });
    const { memoryMb } = this.fn.definition;
    const limitBytes = memoryMb * 1024 * 1024;
    return {
      errorClass: 'out_of_memory',
      message: `out of memory: the limit is ${memoryMb} MiB`,
      details: { evidence: { limitBytes, peakBytes: limitBytes, oomKills: 1 } },
      transient: false,
    };
  }

  #quiet(): void {
    this.#state = 'ended';
    const { alarms } = this.#context;
    alarms.cancel(this.#starting);
    for (const run of this.#runs.values()) alarms.cancel(run.alarm);
    this.#runs.clear();
  }
}

function detailsOf(outcome: DescribedOutcome | null): ErrorDetails | null {
  if (outcome === null) return null;
  const { traceback, stdout, stderr, errorClass } = outcome;
  const details: ErrorDetails = {
    ...(errorClass !== null && traceback !== null ? { traceback } : {}),
    ...(stdout === '' ? {} : { stdout }),
    ...(stderr === '' ? {} : { stderr }),
  };
  return Object.keys(details).length === 0 ? null : details;
}
