/** What becomes of an invocation that is due when as many are in flight as may be: it is sent late, or not at all. */
export const OVER_LIMITS = ['wait', 'drop'] as const;
export type OverLimit = (typeof OVER_LIMITS)[number];
