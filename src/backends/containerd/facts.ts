import * as z from 'zod';

/** What a later process has to know of a container beside what containerd can tell it. */
export const containerdFacts = z.object({
  /** Under whose lease it lives. */
  image: z.object({ reference: z.string(), digest: z.string() }),
  /** The folder of its pipes, whose ends for reading are its descriptors: standard output, standard error. */
  output: z.string().regex(/^[1-9]\d{0,14}$/),
});

export type ContainerdFacts = z.infer<typeof containerdFacts>;
