import { Cron } from 'croner';
import { IluvatarError } from '../../core/errors.js';

/** When a schedule is due. Pure: times in, times out; ms since 1970. */
export interface ScheduleTimes {
  readonly cron: string | null;
  readonly timezone: string;
  readonly at: number | null;
}

/** Throws `invalid` for a pattern that cannot be read or never comes, and for an unknown time zone. */
export function checkTimes(times: ScheduleTimes, now: number): void {
  const { cron, timezone } = times;
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone });
  } catch {
    throw new IluvatarError('invalid', `"${timezone}" is not a time zone`);
  }
  if (cron === null) return;
  let next: number | null;
  try {
    next = nextTime(times, now);
  } catch (error) {
    throw new IluvatarError('invalid', `the cron pattern "${cron}" is refused: ${(error as Error).message}`);
  }
  if (next === null) throw new IluvatarError('invalid', `the cron pattern "${cron}" never comes`);
}

/** The first time after `after`; null = never. */
export function nextTime({ cron, timezone, at }: ScheduleTimes, after: number): number | null {
  if (cron === null) return at !== null && at > after ? at : null;
  return parsed(cron, timezone).nextRun(new Date(after))?.getTime() ?? null;
}

/** The last time up to `until` that is after `after`; null = there was none. */
export function lastTime(times: ScheduleTimes, after: number, until: number): number | null {
  const { cron, timezone, at } = times;
  if (cron === null) return at !== null && at > after && at <= until ? at : null;
  const first = nextTime(times, after);
  if (first === null || first > until) return null;
  // `previousRuns` looks strictly before its reference.
  const [last] = parsed(cron, timezone).previousRuns(1, new Date(until + 1000));
  const time = last?.getTime() ?? first;
  return time <= until ? time : first;
}

function parsed(cron: string, timezone: string): Cron {
  return new Cron(cron, { timezone, mode: '5-or-6-parts' });
}
