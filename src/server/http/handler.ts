import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { IluvatarError } from '../../core/errors.js';

/** What a handler of a route is, and how it reads its request. */

export type EdgeContext = Context<{ Bindings: HttpBindings }>;
export type Handler = (context: EdgeContext) => Response | Promise<Response>;

/** Null = it is not in the query. Throws `invalid` for what is no number. */
export function numberOf(context: EdgeContext, key: string): number | null {
  const text = context.req.query(key);
  if (text === undefined) return null;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new IluvatarError('invalid', `?${key} must be a number`);
  return value;
}
