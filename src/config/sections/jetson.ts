import * as z from 'zod';

/** `jetson`: how a worker on an NVIDIA Jetson watches its board, and what it does when it cannot. On other machines nothing of it runs. */

const ms = z.number().int();

export const jetsonSection = z
  .strictObject({
    source: z
      .enum(['auto', 'tegrastats', 'sysfs', 'none'])
      .default('auto')
      .describe(
        'Who is asked about the board; auto = on a Jetson, the kernel’s own files where they say enough, else tegrastats',
      ),
    gpu: z
      .enum(['auto', 'off'])
      .default('auto')
      .describe(
        'auto = on a Jetson, functions may use its GPU, with as much memory as the board has unless gpu.count says that there are any; its memory is the host’s (gpu.sharedMemory)',
      ),
    intervalMs: ms.min(10).max(60_000).default(1000).describe('How often; ms'),
    smoothing: z
      .number()
      .min(0.01)
      .max(1)
      .default(0.6)
      .describe('Weight of a new reading against those before it (utilisation, memory, power); 1 = no smoothing'),
    staleMs: ms
      .min(10)
      .default(5000)
      .describe('Without a reading for so long, what was read says nothing any more; ms'),
    staleData: z
      .enum(['assume-free', 'assume-busy', 'ignore'])
      .default('assume-free')
      .describe(
        'What dispatch takes a GPU for that is not known (gpu.utilizationLimit): used by this worker alone; used by others, and tried now and then (gpu.utilizationHoldMs); as it was when it was known',
      ),
    command: z
      .array(z.string().min(1))
      .min(1)
      .default(['tegrastats'])
      .describe('tegrastats: a program, and arguments that come before its --interval'),
    stallIntervals: z
      .number()
      .int()
      .min(2)
      .max(1000)
      .default(5)
      .describe('A tegrastats that says nothing that is understood for so many intervals is killed and started again'),
    root: z
      .string()
      .default('/')
      .describe('Folder that /sys, /proc and /etc are looked for in: another one for a recorded tree'),
    replay: z
      .strictObject({
        file: z
          .string()
          .default('')
          .describe('Instead of a board: a recording of `iluvatar jetson watch --record`, or lines of tegrastats'),
        speed: z.number().min(0.01).max(1_000_000).default(1).describe('How many times as fast'),
        loop: z.boolean().default(true).describe('Begin again at its end'),
      })
      .prefault({}),
  })
  .prefault({});

export type JetsonConfig = z.output<typeof jetsonSection>;
