import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import type { WorkerConfig } from '../../config/schema.js';
import { IluvatarError } from '../../core/errors.js';
import type { Log } from '../../telemetry/logs/log.js';
import type { Gateway } from '../gateway.js';
import { BodyTooLarge } from './bodies.js';
import type { EdgeContext } from './handler.js';
import { createHandlers } from './handlers.js';
import { HttpError, type Problem, problemHeaders, problemOf, refuseUnread } from './problems.js';
import { allowedMethods, ROUTES } from './routes.js';

/** Everything but the invoke route, as a hono app: routing from the table, and every failure as a problem. */

export interface ControlAppOptions {
  gateway: Gateway;
  config: WorkerConfig['http'];
  log: Log;
}

export function createControlApp({ gateway, config, log }: ControlAppOptions): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const describe = (error: unknown, context: EdgeContext): Problem => {
    const tid = context.req.header('x-iluvatar-tid') ?? '';
    if (error instanceof IluvatarError) {
      const status = error instanceof HttpError ? error.status : undefined;
      return problemOf(error.errorClass, error.message, error.details, tid, status);
    }
    // The message of a defect may hold anything; the log has it, the client learns where to look.
    log.error({ err: error, method: context.req.method, path: context.req.path, tid }, 'an HTTP request failed');
    return problemOf('internal', 'a defect of the worker; its log has the cause', null, tid);
  };
  const refuse = (error: unknown, context: EdgeContext): Response => {
    const problem = describe(error, context);
    const headers = { ...problemHeaders(problem), ...(error instanceof HttpError ? error.headers : {}) };
    if (error instanceof BodyTooLarge || !bodyIsRead(context)) {
      refuseUnread(context.env.incoming, context.env.outgoing, problem, headers);
      return RESPONSE_ALREADY_SENT;
    }
    return new Response(JSON.stringify(problem), { status: problem.status, headers });
  };
  const handlers = createHandlers({ gateway, config, describe });
  for (const { operation, method, path } of ROUTES) {
    const handler = handlers[operation];
    if (handler !== undefined) app.on(method, path.replaceAll(/\{(\w+)\}/g, ':$1'), handler);
  }
  app.notFound((context) => otherwise(context, refuse));
  app.onError((error, context) => refuse(error, context));
  return app;
}

/** A path that exists takes other methods; a path that does not is `not_found`. */
function otherwise(context: EdgeContext, refuse: (error: unknown, context: EdgeContext) => Response): Response {
  const { method, path } = context.req;
  const allowed = allowedMethods(path);
  if (allowed.length === 0) return refuse(new IluvatarError('not_found', `there is nothing at ${path}`), context);
  const allow = allowed.join(', ');
  if (method === 'OPTIONS') return new Response(null, { status: 204, headers: { allow } });
  const message = `${method} is not for this path; it takes ${allow}`;
  return refuse(new HttpError('invalid', 405, message, { allow }), context);
}

/** An unread body would be read to its end by the server, however long its sender makes it. */
function bodyIsRead(context: EdgeContext): boolean {
  const { incoming } = context.env;
  const { headers } = incoming;
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  return !hasBody || incoming.complete;
}
