import * as z from 'zod';

/** What a later process has to know of a container beside what Docker can tell it. */
export const dockerFacts = z.object({
  /** Docker's own name for it, which no other container will have. */
  id: z.string().regex(/^[0-9a-f]{64}$/),
});

export type DockerFacts = z.infer<typeof dockerFacts>;
