import * as z from 'zod';
import { ASYNC_REQUESTS } from './async-schemas.js';
import { PROBLEM_TYPE, STATUS_OF_CLASS, TITLE_OF_CLASS } from './problems.js';
import { type Content, ROUTES, type Route } from './routes.js';
import { httpSchemas, type SchemaName } from './schemas.js';

/** The OpenAPI 3.1 document of the HTTP edge, written from the routes and the zod schemas. */

export interface OpenApiDocument {
  openapi: string;
  info: { title: string; version: string; license: { name: string; identifier: string } };
  paths: Record<string, Record<string, unknown>>;
  components: { schemas: Record<string, unknown> };
}

let document: OpenApiDocument | null = null;

export function openApiDocument(): OpenApiDocument {
  document ??= {
    openapi: '3.1.0',
    info: {
      title: 'Ilúvatar worker',
      version: '1',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths: paths(),
    components: { schemas: schemas() },
  };
  return document;
}

/** Requests are described as they are sent (defaults may be left out), answers as they come. */
const REQUESTS = new Set<SchemaName>([
  'FunctionDefinition',
  'PrewarmRequest',
  'EstimateRequest',
  'DrainRequest',
  ...ASYNC_REQUESTS,
]);

function schemas(): Record<string, unknown> {
  const entries = Object.entries(httpSchemas).map(([name, schema]) => {
    const io = REQUESTS.has(name as SchemaName) ? 'input' : 'output';
    const { $schema, ...json } = z.toJSONSchema(schema, { io, target: 'draft-2020-12' });
    return [name, json];
  });
  return Object.fromEntries(entries) as Record<string, unknown>;
}

function paths(): Record<string, Record<string, unknown>> {
  const result: Record<string, Record<string, unknown>> = {};
  for (const route of ROUTES) {
    const operations = result[route.path] ?? {};
    operations[route.method.toLowerCase()] = operation(route);
    result[route.path] = operations;
  }
  return result;
}

function operation(route: Route): Record<string, unknown> {
  return {
    operationId: route.operation,
    summary: route.summary,
    parameters: route.parameters.map((parameter) => ({ ...parameter, required: parameter.in === 'path' })),
    ...(route.request === null
      ? {}
      : { requestBody: { required: route.requestRequired === true, content: content(route.request) } }),
    responses: { ...answers(route), ...problems(route) },
  };
}

function answers(route: Route): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(route.responses).map(([status, response]) => [
      status,
      { description: response.description, content: content(response.content) },
    ]),
  );
}

function problems(route: Route): Record<string, unknown> {
  const known = Object.entries(STATUS_OF_CLASS);
  const entries: [string, unknown][] = route.problems.map((status) => {
    const classes = known.filter(([, value]) => value === status).map(([name]) => name as keyof typeof TITLE_OF_CLASS);
    const titles = classes.map((name) => `${name}: ${TITLE_OF_CLASS[name]}`).join('; ');
    return [String(status), problem(titles === '' ? 'The content type is not one of these' : titles)];
  });
  return Object.fromEntries([...entries, ['default', problem('Any other failure')]]);
}

function problem(description: string): Record<string, unknown> {
  return { description, content: content({ [PROBLEM_TYPE]: 'Problem' }) };
}

/** What has no schema is arguments or results of functions (any JSON), text, or bytes. */
function content(types: Content): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(types).map(([type, name]) => [type, name === null ? {} : { schema: reference(name) }]),
  );
}

function reference(name: SchemaName): { $ref: string } {
  return { $ref: `#/components/schemas/${name}` };
}
