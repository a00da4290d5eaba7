import type * as z from 'zod';
import type { asyncMethodSchemas } from '../../config/async-api.js';
import type { AsyncService } from './service.js';

/** The control plane's methods for asynchronous invocations, dead letters and schedules: checked parameters in, what the API says out. */

type Parameters<M extends keyof typeof asyncMethodSchemas> = z.output<(typeof asyncMethodSchemas)[M]>;

interface Body {
  readonly body: Uint8Array | null;
}

export interface AsyncControlOptions {
  service: AsyncService;
  /** Throws `not_found`: an id for a function that does not exist would be a promise that cannot be kept. */
  assertRegistered(name: string, version: string): void;
  /** Throws `unavailable` when the worker takes nothing new. */
  assertAccepting(): void;
}

export class AsyncControl implements Record<keyof typeof asyncMethodSchemas, unknown> {
  readonly #service: AsyncService;
  readonly #options: AsyncControlOptions;

  constructor(options: AsyncControlOptions) {
    this.#service = options.service;
    this.#options = options;
  }

  async invokeAsync(params: Parameters<'invokeAsync'>, { body }: Body): Promise<unknown> {
    this.#options.assertRegistered(params.name, params.version);
    this.#options.assertAccepting();
    return { id: await this.#service.invoke(body ?? NOTHING, params) };
  }

  result({ id, waitMs }: Parameters<'result'>): Promise<unknown> {
    return this.#service.result(id, waitMs);
  }

  async cancelInvocation({ id }: Parameters<'cancelInvocation'>): Promise<unknown> {
    await this.#service.cancel(id);
    return { cancelled: true };
  }

  deadLetters(params: Parameters<'deadLetters'>): unknown {
    return this.#service.deadLetters(params);
  }

  deadLetter({ id }: Parameters<'deadLetter'>): unknown {
    return this.#service.deadLetter(id);
  }

  async replayDeadLetters({ id, name, version }: Parameters<'replayDeadLetters'>): Promise<unknown> {
    this.#options.assertAccepting();
    return { ids: await this.#service.replay(defined({ id, name, version })) };
  }

  async purgeDeadLetters({ id, name, version }: Parameters<'purgeDeadLetters'>): Promise<unknown> {
    return { removed: await this.#service.purge(defined({ id, name, version })) };
  }

  async addSchedule(params: Parameters<'addSchedule'>, { body }: Body): Promise<unknown> {
    const { id, name, version, cron, timezone, at, missed, timeoutMs, webhook } = params;
    this.#options.assertRegistered(name, version);
    this.#options.assertAccepting();
    return await this.#service.addSchedule({
      id,
      name,
      version,
      cron: cron ?? null,
      timezone,
      at: at === undefined ? null : new Date(at).getTime(),
      missed: missed ?? null,
      timeoutMs: timeoutMs ?? 0,
      webhook: webhook ?? null,
      args: body ?? NOTHING,
    });
  }

  schedules(): unknown {
    return this.#service.schedules();
  }

  async removeSchedule({ id }: Parameters<'removeSchedule'>): Promise<unknown> {
    await this.#service.removeSchedule(id);
    return { removed: true };
  }
}

const NOTHING = new Uint8Array(0);

/** Without what is undefined. */
function defined<T extends object>(given: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never;
}
