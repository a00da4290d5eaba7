import { get, JSON_TYPE, ok, parameter, type Route } from './route.js';

/** Routes of asynchronous invocations, dead letters and schedules: part of `ROUTES`. */

/** Of an invocation with `?async`. */
export const idempotencyKey = parameter(
  'header',
  'idempotency-key',
  'With ?async: the same key and arguments again are the same invocation; other arguments are a conflict',
);
export const webhook = parameter('header', 'x-iluvatar-webhook', 'With ?async: URL that gets the result document');

const id = parameter('path', 'id', 'From the 202 answer');
const scheduleId = parameter('path', 'id', 'Name of the schedule');

export const ASYNC_ROUTES: readonly Route[] = [
  {
    ...get('result', '/invocations/{id}', 'State and result of an asynchronous invocation', 'AsyncInvocation'),
    parameters: [
      id,
      parameter('query', 'waitMs', 'Wait so long for the end; ms', { type: 'integer', minimum: 0, maximum: 600_000 }),
    ],
    problems: [400, 404],
  },
  {
    operation: 'cancelInvocation',
    method: 'DELETE',
    path: '/invocations/{id}',
    summary: 'Cancel an asynchronous invocation that has not begun',
    parameters: [id],
    request: null,
    responses: ok('Cancelled', 'Cancelled'),
    problems: [404, 409],
  },
  {
    ...get('deadLetters', '/dead-letters', 'Invocations that failed in all their attempts', 'DeadLetterList'),
    parameters: [
      parameter('query', 'name', 'Of this function'),
      parameter('query', 'version', 'Of this version of it'),
      parameter('query', 'limit', 'Most of them, the oldest first', { type: 'integer', minimum: 1, maximum: 10_000 }),
    ],
    problems: [400],
  },
  {
    ...get('deadLetter', '/dead-letters/{id}', 'One of them, with its arguments', 'DeadLetter'),
    parameters: [id],
    problems: [404],
  },
  {
    operation: 'replayDeadLetters',
    method: 'POST',
    path: '/dead-letters/replay',
    summary: 'Run dead letters again, as new invocations',
    parameters: [],
    request: { [JSON_TYPE]: 'DeadLetterSelection' },
    requestRequired: true,
    responses: ok('Accepted', 'Replayed', 202),
    problems: [400, 404, 409, 415, 429, 503],
  },
  {
    operation: 'purgeDeadLetters',
    method: 'POST',
    path: '/dead-letters/purge',
    summary: 'Throw dead letters away',
    parameters: [],
    request: { [JSON_TYPE]: 'DeadLetterSelection' },
    requestRequired: true,
    responses: ok('Removed', 'Purged'),
    problems: [400, 404, 415, 503],
  },
  get('schedules', '/schedules', 'All schedules', 'ScheduleList'),
  {
    operation: 'addSchedule',
    method: 'PUT',
    path: '/schedules/{id}',
    summary: 'Run a function at times (cron) or once (at)',
    parameters: [scheduleId],
    request: { [JSON_TYPE]: 'ScheduleRequest' },
    requestRequired: true,
    responses: ok('Stored', 'Schedule', 201),
    problems: [400, 404, 409, 415, 429, 503],
  },
  {
    operation: 'removeSchedule',
    method: 'DELETE',
    path: '/schedules/{id}',
    summary: 'Remove a schedule; what it has fired goes on',
    parameters: [scheduleId],
    request: null,
    responses: ok('Removed', 'Removed'),
    problems: [404, 503],
  },
];
