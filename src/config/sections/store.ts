import * as z from 'zod';

/** `store`: what a worker keeps on its disk, in `<dataDir>/state`. */

const ms = z.number().int().min(1);

export const storeSection = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe(
        'Keep registrations and what was learnt of functions on disk; false = all of it is forgotten with the worker, and with a shard that crashes',
      ),
    maxMb: z
      .number()
      .int()
      .min(1)
      .max(1024 * 1024)
      .default(16_384)
      .describe('Most that it may grow to; MiB of address space from the start, of the disk only as it is used'),
    writeMs: ms
      .default(1000)
      .describe(
        'What nobody waits for is on the disk so soon; what failed is tried again, each time later, at most 15 s',
      ),
    characteristicsMs: ms
      .default(60_000)
      .describe('What was learnt of functions that ran is written so often, and when the worker stops'),
  })
  .prefault({});
