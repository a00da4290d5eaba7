import * as z from 'zod';

/** What the keeper has of a container beside its descriptors. A worker of another version may read it: what it does not understand it does not adopt. */

const VERSION = 1;

const entrySchema = z.object({
  v: z.literal(VERSION),
  /** `name@version` */
  function: z.string(),
  /** Of what its backend had prepared. */
  digest: z.string(),
  backend: z.string(),
  device: z.enum(['cpu', 'gpu']),
  gpu: z.number().int().min(-1),
  /** Its place in the run marks. */
  mark: z.number().int().min(0),
  /** Its backend's. */
  facts: z.record(z.string(), z.unknown()),
});

export type KeptEntry = z.infer<typeof entrySchema>;

export function entryText(entry: Omit<KeptEntry, 'v'>): string {
  return JSON.stringify({ v: VERSION, ...entry });
}

/** null = not understood. */
export function parseEntry(text: string): KeptEntry | null {
  try {
    return entrySchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
