import { workerConfigSchema } from './schema.js';

/** Of every backend that there is: the sections of `backends`. */
export function backendNames(): string[] {
  return Object.keys(workerConfigSchema.parse({}).backends);
}
