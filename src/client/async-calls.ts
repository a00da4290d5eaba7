import { setTimeout as sleep } from 'node:timers/promises';
import type {
  AsyncInvocation,
  DeadLetter,
  DeadLetterSelection,
  MethodName,
  Schedule,
  ScheduleInput,
} from '../config/api.js';
import { IluvatarError } from '../core/errors.js';

/** Dead letters and schedules, for whoever can call the control plane: the client over its socket, the library in its process. */

export interface ControlCaller {
  call(method: MethodName, params: Record<string, unknown>, body?: Uint8Array | null): Promise<unknown>;
}

/** Invocations that failed in all their attempts. All reject with `not_found` for an id that is not there. */
export class DeadLetterCalls {
  readonly #caller: ControlCaller;

  constructor(caller: ControlCaller) {
    this.#caller = caller;
  }

  /** The oldest first; at most 1,000 unless `limit` says more. */
  async list(filter: { name?: string; version?: string; limit?: number } = {}): Promise<DeadLetter[]> {
    return (await this.#caller.call('deadLetters', given(filter))) as DeadLetter[];
  }

  async show(id: string): Promise<DeadLetter & { arguments: unknown }> {
    return (await this.#caller.call('deadLetter', { id })) as DeadLetter & { arguments: unknown };
  }

  /** Runs them again, each as a new invocation; resolves with the new ids once these are durable. */
  async replay(selection: DeadLetterSelection): Promise<string[]> {
    return ((await this.#caller.call('replayDeadLetters', given(selection))) as { ids: string[] }).ids;
  }

  /** Throws them away; resolves with how many. */
  async purge(selection: DeadLetterSelection): Promise<number> {
    return ((await this.#caller.call('purgeDeadLetters', given(selection))) as { removed: number }).removed;
  }
}

/** Invocations that are due at times. */
export class ScheduleCalls {
  readonly #caller: ControlCaller;

  constructor(caller: ControlCaller) {
    this.#caller = caller;
  }

  /** Resolves once it is durable. Rejects with `conflict` when there is one of this name, `invalid` for times that cannot be. */
  async add(schedule: ScheduleInput, args: unknown = {}): Promise<Schedule> {
    return await this.addText(schedule, toJson(args));
  }

  /** As `add`, for arguments that are JSON text already. */
  async addText(schedule: ScheduleInput, json: string): Promise<Schedule> {
    return (await this.#caller.call('addSchedule', given(schedule), Buffer.from(json))) as Schedule;
  }

  async list(): Promise<Schedule[]> {
    return (await this.#caller.call('schedules', {})) as Schedule[];
  }

  /** What it has fired goes on. */
  async remove(id: string): Promise<void> {
    await this.#caller.call('removeSchedule', { id });
  }
}

const ASK_AGAIN_MS = 50;

/** An asynchronous invocation as it is once it has ended, or after `waitMs`. A worker that is being replaced answers sooner: then the next one is asked. */
export async function awaitedResult(caller: ControlCaller, id: string, waitMs: number): Promise<AsyncInvocation> {
  const until = Date.now() + waitMs;
  for (let left = waitMs; ; left = until - Date.now()) {
    const found = (await caller.call('result', { id, waitMs: left })) as AsyncInvocation;
    if (found.finishedAt !== null || Date.now() + ASK_AGAIN_MS >= until) return found;
    await sleep(ASK_AGAIN_MS);
  }
}

/** The options that were given: one that is undefined is as one that is absent. */
export function given(options: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** Throws `invalid` for arguments that are not JSON. */
export function toJson(args: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(args);
  } catch (error) {
    throw new IluvatarError('invalid', `the arguments cannot be written as JSON: ${(error as Error).message}`);
  }
  if (text === undefined) throw new IluvatarError('invalid', 'the arguments cannot be written as JSON');
  return text;
}
