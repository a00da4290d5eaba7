/** What runs for the functions of a trace: synthetic load, or real functions that take about as long. */
export const LOAD_TYPES = ['lookbusy', 'functions'] as const;
export type LoadType = (typeof LOAD_TYPES)[number];
