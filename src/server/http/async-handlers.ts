import type { MethodName } from '../../config/api.js';
import type { Gateway } from '../gateway.js';
import { readJson } from './bodies.js';
import { type EdgeContext, type Handler, numberOf } from './handler.js';

/** Control-plane operations of asynchronous invocations, dead letters and schedules: part of `createHandlers`. */
export function createAsyncHandlers(gateway: Gateway, maxBodyBytes: number): Record<string, Handler> {
  const call = (method: MethodName, params: object, body: Buffer | null = null): Promise<unknown> =>
    gateway.call(method, params, body, () => {});
  const json = (context: EdgeContext) => readJson(context.env.incoming, maxBodyBytes);
  const idOf = (context: EdgeContext): { id: string } => ({ id: context.req.param('id') as string });

  return {
    result: async (context) => {
      const waitMs = numberOf(context, 'waitMs');
      return context.json(await call('result', { ...idOf(context), ...(waitMs === null ? {} : { waitMs }) }));
    },
    cancelInvocation: async (context) => context.json(await call('cancelInvocation', idOf(context))),
    deadLetters: async (context) => {
      const limit = numberOf(context, 'limit');
      const { name, version } = context.req.query();
      const params = {
        ...(name === undefined ? {} : { name }),
        ...(version === undefined ? {} : { version }),
        ...(limit === null ? {} : { limit }),
      };
      return context.json(await call('deadLetters', params));
    },
    deadLetter: async (context) => context.json(await call('deadLetter', idOf(context))),
    replayDeadLetters: async (context) => context.json(await call('replayDeadLetters', await json(context)), 202),
    purgeDeadLetters: async (context) => context.json(await call('purgeDeadLetters', await json(context))),
    schedules: async (context) => context.json(await call('schedules', {})),
    addSchedule: async (context) => {
      const { arguments: args, ...schedule } = (await json(context)) as Record<string, unknown>;
      const body = args === undefined ? null : Buffer.from(JSON.stringify(args));
      return context.json(await call('addSchedule', { ...schedule, ...idOf(context) }, body), 201);
    },
    removeSchedule: async (context) => context.json(await call('removeSchedule', idOf(context))),
  };
}
