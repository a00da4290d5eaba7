import * as z from 'zod';
import { type MethodName, methodSchemas, type WorkerHealth, type WorkerStatus } from '../config/api.js';
import { asyncMethodSchemas } from '../config/async-api.js';
import { IluvatarError } from '../core/errors.js';
import { functionKey } from '../core/function.js';
import type { Log } from '../telemetry/logs/log.js';
import { STABLE_MESSAGES } from '../telemetry/logs/messages.js';
import { AsyncControl } from './async/control.js';
import type { AsyncService } from './async/service.js';
import type { FunctionRegistry } from './function-registry.js';
import type { Profiler } from './profiler.js';
import type { Shard } from './shard.js';
import type { Uploads } from './uploads.js';
import type { WorkerGateway } from './worker-gateway.js';

/**
 * The slow calls of every edge: parameters checked against the schemas, then one small function per method.
 */

type Parameters<M extends MethodName> = z.output<(typeof methodSchemas)[M]>;

type Methods = Record<MethodName, (params: unknown, context: CallContext) => unknown>;

interface CallContext {
  body: Uint8Array | null;
  progress(line: string): void;
}

export interface ControlPlaneOptions {
  shard: Shard;
  registry(): FunctionRegistry;
  async: AsyncService;
  gateway(): WorkerGateway;
  uploads: Uploads;
  profiler: Profiler;
  log: Log;
}

export class ControlPlane {
  readonly #options: ControlPlaneOptions;
  readonly #async: AsyncControl;

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    this.#async = new AsyncControl({
      service: options.async,
      assertRegistered: (name, version) => options.registry().get(name, version),
      assertAccepting: () => options.shard.assertAccepting(),
    });
  }

  /** Never throws. Not an `async` function: an acceptance of an asynchronous invocation costs little more than its promises. */
  call(
    method: MethodName,
    params: unknown,
    body: Uint8Array | null,
    progress: (line: string) => void,
  ): Promise<unknown> {
    try {
      return Promise.resolve(this.#call(method, params, { body, progress }));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #call(method: MethodName, params: unknown, context: CallContext): unknown {
    if (!Object.hasOwn(methodSchemas, method)) {
      const known = Object.keys(methodSchemas).join(', ');
      throw new IluvatarError('invalid', `no method "${String(method)}"; there are: ${known}`);
    }
    const checked = methodSchemas[method].safeParse(params);
    if (!checked.success) throw new IluvatarError('invalid', z.prettifyError(checked.error));
    const target = (Object.hasOwn(asyncMethodSchemas, method) ? this.#async : this) as unknown as Methods;
    return target[method](checked.data, context);
  }

  async register(params: Parameters<'register'>, { body, progress }: CallContext): Promise<unknown> {
    const { shard } = this.#options;
    const registry = this.#options.registry();
    shard.assertAccepting();
    const { definition, replace, tid } = params;
    this.#options.async.checkWebhook(definition.async.webhook);
    const folder = body === null ? null : await this.#options.uploads.unpack(body);
    try {
      const given = folder === null ? definition : { ...definition, source: folder };
      const registered = await registry.register(given, replace, progress);
      const { name, version, digest, backends } = registered;
      const fields = { tid, function: functionKey(name, version), digest, backends };
      this.#options.log.info(fields, STABLE_MESSAGES.functionRegistered);
      return registered;
    } finally {
      if (folder !== null) await this.#options.uploads.discard(folder);
    }
  }

  async unregister({ name, version, tid }: Parameters<'unregister'>): Promise<unknown> {
    await this.#options.registry().unregister(name, version);
    const fields = { tid, function: functionKey(name, version) };
    this.#options.log.info(fields, STABLE_MESSAGES.functionUnregistered);
    return { removed: true };
  }

  async prewarm({ name, version, count, device, tid }: Parameters<'prewarm'>): Promise<unknown> {
    const { record } = this.#options.registry().get(name, version);
    const result = await this.#options.shard.prewarm(record, count, device);
    this.#options.log.info({ tid, function: record.key, ...result }, STABLE_MESSAGES.prewarmed);
    return result;
  }

  list(): unknown {
    return this.#options.registry().list();
  }

  status(): WorkerStatus {
    return this.#options.shard.status();
  }

  health(): WorkerHealth {
    return this.#options.shard.health();
  }

  estimate({ functions }: Parameters<'estimate'>): unknown {
    const records = functions.map(({ name, version }) => this.#options.registry().find(name, version)?.record ?? null);
    return { estimates: this.#options.shard.estimate(records) };
  }

  async clean(): Promise<unknown> {
    return { removed: await this.#options.shard.clean() };
  }

  async drain({ timeoutMs }: Parameters<'drain'>): Promise<unknown> {
    return { drained: await this.#options.shard.drain(timeoutMs) };
  }

  reload(): Promise<unknown> {
    return this.#options.shard.ask({ of: 'reload' });
  }

  upgrade({ drainMs }: Parameters<'upgrade'>): Promise<unknown> {
    return this.#options.shard.ask({ of: 'upgrade', drainMs: drainMs ?? null });
  }

  upgradeState(): Promise<unknown> {
    return this.#options.shard.ask({ of: 'upgradeState' });
  }

  profile({ ms, intervalUs, threads }: Parameters<'profile'>): Promise<unknown> {
    return this.#options.profiler.take({ ms, intervalUs }, threads);
  }

  metrics(): Promise<string> {
    return this.#options.shard.metrics();
  }

  ping(): unknown {
    const { name, version } = this.#options.shard.status();
    return { pong: true, name, version, pid: process.pid };
  }
}
