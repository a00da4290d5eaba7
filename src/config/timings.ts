import * as z from 'zod';

/**
 * Measured times of a function, in the shape in which the original Ilúvatar's benchmark writes them and its registration takes them: one entry of `resource_data` of
 * a `worker_function_benchmarks.json`, by device. Results are in seconds, worker durations in µs.
 */

const list = z.array(z.number().min(0)).default([]);

const deviceTimings = z.object({
  cold_results_sec: list.describe('Inside the function, container made for it; s'),
  warm_results_sec: list.describe('Inside the function, container used before; s'),
  cold_worker_duration_us: list.describe('As the worker saw it, the creation included; µs'),
  warm_worker_duration_us: list.describe('As the worker saw it; µs'),
});

export const timingsSchema = z
  .strictObject({ CPU: deviceTimings.optional(), GPU: deviceTimings.optional() })
  .describe('Measured times to begin with, by device');

export type TimingsInput = z.output<typeof timingsSchema>;
