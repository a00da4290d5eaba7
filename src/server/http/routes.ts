import { ASYNC_ROUTES, idempotencyKey, webhook } from './async-routes.js';
import { type Content, flag, get, JSON_TYPE, ok, parameter, type Route, type RouteParameter } from './route.js';

export type { Content, Route } from './route.js';

/**
 * Every route of the HTTP edge, once. The app serves exactly these, `405` answers take their `Allow` from here, and /openapi.json is written from here.
 */

const name = parameter('path', 'name', 'Function name');
const version = parameter('path', 'version', 'Function version');
const tid = parameter('header', 'x-iluvatar-tid', 'Transaction id; made here when absent');
const traceparent = parameter('header', 'traceparent', 'W3C Trace Context: the trace that the invocation joins');
const tracestate = parameter('header', 'tracestate', 'Beside it: what other systems want handed on');
const timeout = parameter('header', 'x-iluvatar-timeout-ms', "Instead of the function's own time-out; ms", {
  type: 'integer',
  minimum: 1,
});
const envelope = parameter('query', 'envelope', 'Answer with result and metadata in one object', flag);
const deferred = parameter('query', 'async', 'Answer 202 at once; ask /invocations/{id} for the result', flag);
const replace = parameter('query', 'replace', 'Replace a different registration of this name and version', flag);
const definition = parameter('header', 'x-iluvatar-definition', 'With an archive: the definition, as JSON');
const definitionQuery = parameter('query', 'definition', 'The same, in the query');

const archives: Content = {
  [JSON_TYPE]: 'FunctionDefinition',
  'application/gzip': null,
  'application/x-tar': null,
  'multipart/form-data': null,
};

const REGISTER_PROBLEMS = [400, 409, 413, 415, 502, 503];
const INVOKE_PROBLEMS = [400, 404, 409, 413, 422, 429, 499, 500, 502, 503, 504, 507];

function registered(status: number): Route['responses'] {
  const content = { [JSON_TYPE]: 'RegisteredFunction', 'application/x-ndjson': 'RegisterProgress' } as const;
  return { [status]: { description: 'Registered; as a stream of progress lines on request', content } };
}

function invoke(operation: string, path: string, parameters: readonly RouteParameter[]): Route {
  return {
    operation,
    method: 'POST',
    path,
    summary: 'Run a function; the body is its arguments, the answer its result',
    parameters: [...parameters, deferred, envelope, tid, timeout, traceparent, tracestate, idempotencyKey, webhook],
    request: { [JSON_TYPE]: null },
    responses: {
      200: {
        description: 'The result; metadata in x-iluvatar-* headers',
        content: { [JSON_TYPE]: null, 'application/vnd.iluvatar+json': 'InvokeResult' },
      },
      ...ok('Accepted (?async)', 'Accepted', 202),
    },
    problems: INVOKE_PROBLEMS,
  };
}

export const ROUTES: readonly Route[] = [
  get('index', '/', 'What is here', 'Index'),
  {
    ...get('openapi', '/openapi.json', 'This document', 'Index'),
    responses: { 200: { description: 'OpenAPI 3.1', content: { [JSON_TYPE]: null } } },
  },
  get('list', '/functions', 'All registered functions', 'FunctionList'),
  {
    operation: 'register',
    method: 'POST',
    path: '/functions',
    summary:
      'Register a function from an uploaded archive or an image, or from a path when the worker listens on loopback',
    parameters: [replace, definition, definitionQuery, tid],
    request: archives,
    requestRequired: true,
    responses: registered(201),
    problems: REGISTER_PROBLEMS,
  },
  {
    ...get('describe', '/functions/{name}/{version}', 'One function', 'RegisteredFunction'),
    parameters: [name, version],
    problems: [404],
  },
  {
    operation: 'replace',
    method: 'PUT',
    path: '/functions/{name}/{version}',
    summary: 'Register or replace a function',
    parameters: [name, version, definition, definitionQuery, tid],
    request: archives,
    requestRequired: true,
    responses: registered(200),
    problems: REGISTER_PROBLEMS,
  },
  {
    operation: 'unregister',
    method: 'DELETE',
    path: '/functions/{name}/{version}',
    summary: 'Remove a function and its containers',
    parameters: [name, version, tid],
    request: null,
    responses: ok('Removed', 'Removed'),
    problems: [400, 404],
  },
  invoke('invokeVersion', '/functions/{name}/{version}/invoke', [name, version]),
  invoke('invoke', '/functions/{name}/invoke', [
    name,
    parameter('header', 'x-iluvatar-version', 'Function version; 1 when absent'),
  ]),
  {
    operation: 'prewarm',
    method: 'POST',
    path: '/functions/{name}/{version}/prewarm',
    summary: 'Make containers ready ahead of invocations',
    parameters: [name, version, tid],
    request: { [JSON_TYPE]: 'PrewarmRequest' },
    responses: ok('Containers made', 'Prewarmed'),
    problems: [400, 404, 415, 429, 502, 503],
  },
  ...ASYNC_ROUTES,
  get('status', '/status', 'Memory, CPU, queue and counters', 'WorkerStatus'),
  {
    ...get('health', '/healthz', 'Whether the worker can do its work', 'WorkerHealth'),
    responses: {
      ...ok('Healthy', 'WorkerHealth'),
      ...ok('Not healthy', 'WorkerHealth', 503),
    },
  },
  get('live', '/livez', 'Whether the process answers', 'Live'),
  {
    ...get('metrics', '/metrics', 'Prometheus metrics', 'Index'),
    responses: { 200: { description: 'Prometheus text', content: { 'text/plain': null } } },
  },
  {
    operation: 'clean',
    method: 'POST',
    path: '/clean',
    summary: 'Remove all idle containers',
    parameters: [tid],
    request: null,
    responses: ok('Removed', 'Cleaned'),
    problems: [503],
  },
  {
    operation: 'drain',
    method: 'POST',
    path: '/drain',
    summary: 'Accept nothing new and wait for what runs',
    parameters: [],
    request: { [JSON_TYPE]: 'DrainRequest' },
    responses: ok('Whether all has ended in time', 'Drained'),
    problems: [400, 415],
  },
  {
    operation: 'estimate',
    method: 'POST',
    path: '/estimate',
    summary: 'Expected end-to-end times',
    parameters: [],
    request: { [JSON_TYPE]: 'EstimateRequest' },
    requestRequired: true,
    responses: ok('Estimates', 'Estimates'),
    problems: [400, 415],
  },
];

/** Methods that a path takes, for `Allow`; empty = there is no such path. */
export function allowedMethods(path: string): string[] {
  const methods = ROUTES.filter((route) => pathMatches(route.path, path)).map((route) => route.method as string);
  if (methods.length === 0) return [];
  if (methods.includes('GET')) methods.push('HEAD');
  return [...methods, 'OPTIONS'];
}

function pathMatches(pattern: string, path: string): boolean {
  const wanted = pattern.split('/');
  const given = path.split('/');
  return (
    wanted.length === given.length &&
    wanted.every((part, index) => (part.startsWith('{') ? given[index] !== '' : part === given[index]))
  );
}
