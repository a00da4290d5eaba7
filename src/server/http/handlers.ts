import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { MethodName, RegisteredFunction } from '../../config/api.js';
import type { WorkerConfig } from '../../config/schema.js';
import { IluvatarError } from '../../core/errors.js';
import type { Gateway } from '../gateway.js';
import { mayNamePaths } from '../host-paths.js';
import { createAsyncHandlers } from './async-handlers.js';
import { readBody, readJson, readRegistration } from './bodies.js';
import type { EdgeContext, Handler } from './handler.js';
import { openApiDocument } from './openapi.js';
import type { Problem } from './problems.js';
import { isTid, TID_RULE } from './request-headers.js';
import { ROUTES } from './routes.js';
import { isOn } from './target.js';

/** One small function per control-plane operation: HTTP into a call of the gateway, and its result back. */

export interface HandlerOptions {
  gateway: Gateway;
  config: WorkerConfig['http'];
  /** Turns a failure into its problem, and logs it when it is our own. */
  describe(error: unknown, context: EdgeContext): Problem;
}

const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const PROGRESS_TYPE = 'application/x-ndjson';

/** Keyed by the operation of `ROUTES`; the invoke route is not here, it never reaches the app. */
export function createHandlers({ gateway, config, describe }: HandlerOptions): Record<string, Handler> {
  const { maxBodyBytes } = config;
  const pathsAllowed = mayNamePaths(config.address);
  const call = (method: MethodName, params: Record<string, unknown>): Promise<unknown> =>
    gateway.call(method, params, null, () => {});
  const json = (context: EdgeContext) => readJson(context.env.incoming, maxBodyBytes);

  const register = async (
    context: EdgeContext,
    status: 200 | 201,
    replace: boolean,
    fixed: Record<string, string>,
  ): Promise<Response> => {
    const tid = tidOf(context);
    const query = context.req.query('definition');
    const { definition, archive } = await readRegistration(context.env.incoming, maxBodyBytes, query, pathsAllowed);
    for (const [key, value] of Object.entries(fixed)) {
      if (definition[key] !== undefined && definition[key] !== value) {
        throw new IluvatarError('invalid', `the definition's ${key} is not the one in the path, "${value}"`);
      }
    }
    const params = { definition: { ...definition, ...fixed }, replace, ...tid };
    const run = (progress: (line: string) => void) => gateway.call('register', params, archive, progress);
    if (context.req.header('accept')?.includes(PROGRESS_TYPE) === true) {
      return await streamProgress(context, run, (error) => describe(error, context));
    }
    const fn = (await run(() => {})) as RegisteredFunction;
    return context.json(fn, status, { location: locationOf(fn) });
  };

  return {
    index: (context) =>
      context.json({
        name: 'iluvatar',
        openapi: '/openapi.json',
        routes: ROUTES.map(({ method, path }) => `${method} ${path}`),
      }),
    openapi: (context) => context.json(openApiDocument()),
    list: async (context) => context.json(await call('list', {})),
    register: (context) => register(context, 201, isOn(queryOf(context), 'replace'), {}),
    replace: (context) => register(context, 200, true, nameOf(context)),
    describe: async (context) => {
      const { name, version } = nameOf(context);
      const all = (await call('list', {})) as RegisteredFunction[];
      const found = all.find((fn) => fn.name === name && fn.version === version);
      if (found === undefined) throw new IluvatarError('not_found', `no function ${name} version ${version}`);
      return context.json(found);
    },
    unregister: async (context) => context.json(await call('unregister', { ...nameOf(context), ...tidOf(context) })),
    prewarm: async (context) => {
      const body = await json(context);
      return context.json(await call('prewarm', { ...body, ...nameOf(context), ...tidOf(context) }));
    },
    ...createAsyncHandlers(gateway, maxBodyBytes),
    status: async (context) => context.json(await call('status', {})),
    health: async (context) => {
      const health = (await call('health', {})) as { healthy: boolean };
      return context.json(health, health.healthy ? 200 : 503);
    },
    live: (context) => context.json({ live: true }),
    metrics: async (context) =>
      context.body((await call('metrics', {})) as string, 200, { 'content-type': METRICS_TYPE }),
    clean: async (context) => {
      await readBody(context.env.incoming, maxBodyBytes);
      return context.json(await call('clean', tidOf(context)));
    },
    drain: async (context) => context.json(await call('drain', await json(context))),
    estimate: async (context) => context.json(await call('estimate', await json(context))),
  };
}

/**
 * Progress lines as they come, then the result or the problem. The status is sent before the end is known, so it is always 200; the last line says how it went.
 */
async function streamProgress(
  context: EdgeContext,
  run: (progress: (line: string) => void) => Promise<unknown>,
  describe: (error: unknown) => Problem,
): Promise<Response> {
  const { outgoing } = context.env;
  const line = (value: unknown): void => {
    if (!outgoing.destroyed) outgoing.write(`${JSON.stringify(value)}\n`);
  };
  outgoing.writeHead(200, { 'content-type': PROGRESS_TYPE });
  outgoing.flushHeaders();
  try {
    line({ result: await run((progress) => line({ progress })) });
  } catch (error) {
    line({ error: describe(error) });
  }
  if (!outgoing.destroyed) outgoing.end();
  return RESPONSE_ALREADY_SENT;
}

function nameOf(context: EdgeContext): { name: string; version: string } {
  return { name: context.req.param('name') as string, version: context.req.param('version') as string };
}

function tidOf(context: EdgeContext): { tid?: string } {
  const tid = context.req.header('x-iluvatar-tid');
  if (tid === undefined) return {};
  if (!isTid(tid)) throw new IluvatarError('invalid', TID_RULE);
  return { tid };
}

function queryOf(context: EdgeContext): URLSearchParams {
  return new URL(context.req.url).searchParams;
}

function locationOf({ name, version }: { name: string; version: string }): string {
  return `/functions/${encodeURIComponent(name)}/${encodeURIComponent(version)}`;
}
