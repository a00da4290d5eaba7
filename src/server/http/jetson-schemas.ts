import * as z from 'zod';
import type { JetsonStatus } from '../../config/jetson-api.js';

/** The board, as status over HTTP says it. */

const number = z.number().nullable();
const text = z.string().nullable();
const count = z.number().int().min(0);

export const jetsonStatus = z.object({
  board: z
    .object({
      model: z.string(),
      chip: text,
      l4t: text.describe('Release of Jetson Linux'),
      jetpack: text.describe('Its generation'),
      powerMode: z.object({ id: z.number(), name: text }).nullable(),
      memoryMb: number.describe('Of CPU and GPU together'),
    })
    .nullable(),
  source: z.enum(['tegrastats', 'sysfs', 'replay']),
  stale: z.boolean().describe('The utilisation is older than jetson.staleMs: dispatch goes by jetson.staleData'),
  gpu: z.object({ utilizationPercent: number.describe('Smoothed'), freqMhz: number, ageMs: number }),
  memory: z.object({ usedMb: number.describe('Smoothed'), totalMb: number, ageMs: number }),
  power: z.object({
    totalMw: number.describe('Of the whole board, smoothed'),
    estimated: z.boolean().describe('Put together from rails, and something is missing in it'),
    rails: z.array(z.object({ name: z.string(), powerMw: z.number() })),
    ageMs: number,
  }),
  temperatures: z.array(z.object({ name: z.string(), tempC: z.number() })),
  temperaturesAgeMs: number,
  throttledBy: z.array(z.string()).describe('What makes it run slower than it could'),
  counters: z.object({ readings: count, odd: count, restarts: count, overCurrentEvents: count, losses: count }),
}) satisfies z.ZodType<JetsonStatus>;
