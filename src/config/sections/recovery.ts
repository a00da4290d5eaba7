import * as z from 'zod';

/** `recovery`: what becomes of warm containers when the worker's process, or a shard, ends without stopping them. */

const ms = z.number().int();

export const recoverySection = z
  .strictObject({
    mode: z
      .enum(['adopt', 'clean'])
      .default('adopt')
      .describe(
        'adopt = a small process keeps the connections of warm containers, and the next start takes them over; clean = the next start removes them',
      ),
    graceMs: ms
      .min(100)
      .default(60_000)
      .describe('Without a worker for so long, what is kept is let go, and warm containers end by themselves; ms'),
    answerMs: ms
      .min(1)
      .default(3_000)
      .describe('A container that does not answer its new worker within this time is removed; ms'),
  })
  .prefault({});
