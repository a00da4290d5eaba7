/** What can be chosen by name when a trace is generated, and what it means; apart from what does it, so that a command line can offer it quickly. */

/** How functions are chosen from a trace. Each strategy says its rule and where it is from. */
export const SAMPLING_STRATEGIES = {
  representative:
    'the same number from each quartile of functions by how often they are called (Fuerst and Sharma, "FaasCache", ASPLOS 2021)',
  'in-vitro':
    'of many random samples the one whose distributions of invocations, run time and memory are closest to those of the whole (after Ustiugov et al., "Enabling In-Vitro Serverless Systems Research", SESAME 2023)',
  random: 'each function with the same chance',
  rare: 'those that are called least ("FaasCache")',
  popular: 'those that are called most',
  popularity:
    'each function with a chance proportional to how often it is called, none twice (Efraimidis and Spirakis, Information Processing Letters 97, 2006)',
} as const;

export type SamplingStrategy = keyof typeof SAMPLING_STRATEGIES;

/** When the functions of a trace are called. */
export const ARRIVAL_MODELS = {
  trace: 'as in the trace; in the Azure layout, which knows counts of minutes, spread within these',
  exponential: 'a Poisson process with the mean rate of the function',
  fixed: 'at equal distances with the mean rate of the function',
  ecdf: "gaps drawn from the function's own, at its mean rate",
} as const;
export type ArrivalModel = keyof typeof ARRIVAL_MODELS;

/** Whole milliseconds are what the original reads; µs are kept as fractions, which only we read. */
export const PRECISIONS = ['ms', 'us'] as const;
export type Precision = (typeof PRECISIONS)[number];
