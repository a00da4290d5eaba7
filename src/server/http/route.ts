import type { SchemaName } from './schemas.js';

/** What a route of the HTTP edge is, and short ways to write one: for `routes.ts` and `async-routes.ts`. */

export type Verb = 'GET' | 'POST' | 'PUT' | 'DELETE';

export interface RouteParameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly description: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

/** Media type → schema name, or null for bytes and text. */
export type Content = Readonly<Record<string, SchemaName | null>>;

export interface Route {
  readonly operation: string;
  readonly method: Verb;
  /** OpenAPI form: `{name}` is a parameter. */
  readonly path: string;
  readonly summary: string;
  readonly parameters: readonly RouteParameter[];
  readonly request: Content | null;
  readonly requestRequired?: boolean;
  readonly responses: Readonly<Record<string, { description: string; content: Content }>>;
  /** Statuses whose body is a problem. */
  readonly problems: readonly number[];
}

export const JSON_TYPE = 'application/json';
export const text = { type: 'string' } as const;
export const flag = { type: 'boolean', default: false } as const;

export function parameter(
  place: RouteParameter['in'],
  name: string,
  description: string,
  schema: Record<string, unknown> = text,
): RouteParameter {
  return { name, in: place, description, schema };
}

export function ok(description: string, schema: SchemaName, status = 200): Route['responses'] {
  return { [status]: { description, content: { [JSON_TYPE]: schema } } };
}

export function get(operation: string, path: string, summary: string, schema: SchemaName): Route {
  return {
    operation,
    method: 'GET',
    path,
    summary,
    parameters: [],
    request: null,
    responses: ok(summary, schema),
    problems: [],
  };
}
