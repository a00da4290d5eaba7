import * as z from 'zod';

/** `profiling`: CPU profiles of a running worker (`iluvatar profile`). */

export const profilingSection = z
  .strictObject({
    enabled: z
      .boolean()
      .default(false)
      .describe('Answer `iluvatar profile`, over the unix socket alone: stacks show what the worker is made of'),
  })
  .prefault({});
