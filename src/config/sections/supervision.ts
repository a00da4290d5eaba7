import * as z from 'zod';

/** `supervision`: when a thread counts as hung, how what failed is started again, and where the main thread says how the worker is. */

const ms = z.number().int().min(0);

export const supervisionSection = z
  .strictObject({
    missedBeatMs: ms
      .min(100)
      .default(15_000)
      .describe('A shard that has not come round its event loop for so long hangs: it is ended and started again; ms'),
    restart: z
      .strictObject({
        firstMs: ms.min(1).default(200).describe('Pause before the first restart; doubled with each further one; ms'),
        longestMs: ms.min(1).default(10_000).describe('Longest pause; ms'),
        settledMs: ms.default(60_000).describe('What ran for so long begins with the first pause again; ms'),
        limit: z
          .number()
          .int()
          .min(1)
          .default(5)
          .describe(
            'More failures than this within `windowMs`: the worker is unhealthy where it cannot do without, degraded otherwise; it goes on trying',
          ),
        windowMs: ms.min(1).default(300_000).describe('Time in which failures are counted; ms'),
      })
      .prefault({}),
    lifecycle: z
      .strictObject({
        missedBeatMs: ms
          .min(100)
          .default(60_000)
          .describe(
            'A life-cycle thread with work that has not come round its event loop for so long is replaced; larger than any copying of one file takes; ms',
          ),
        taskMs: ms
          .min(100)
          .default(1_800_000)
          .describe('No task of a life-cycle thread takes longer: its caller is told, and its thread replaced; ms'),
      })
      .prefault({}),
    descriptors: z
      .strictObject({
        checkMs: ms
          .default(10_000)
          .describe('How often open descriptors are counted while invocations come; ms, 0 = never'),
        growth: z
          .number()
          .int()
          .min(1)
          .default(256)
          .describe('So many more than before, while idle, with no more containers and connections: a note in health'),
      })
      .prefault({}),
    health: z
      .strictObject({
        enabled: z
          .boolean()
          .default(false)
          .describe(
            'Serve GET /healthz and /livez from the main thread as well, which answers while a shard hangs or is started again; needs `threads`',
          ),
        address: z.string().default('127.0.0.1').describe('Address to listen on'),
        port: z.number().int().min(0).max(65_535).default(8081).describe('Port; 0 = any free one'),
        answerMs: ms.min(1).default(500).describe('A shard that says nothing for so long is reported as silent; ms'),
      })
      .prefault({}),
  })
  .prefault({});
