import { createHash } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FunctionDefinition } from '../../config/api.js';
import { IluvatarError } from '../../core/errors.js';
import { timingsOf } from '../../core/timings.js';
import type { PreparedFunction } from '../backend.js';
import { Behaviour } from './behaviour.js';
import { DESCRIPTION_FILE, descriptionSchema, readDescription } from './description.js';

export interface SimulatedFunction extends PreparedFunction {
  readonly behaviour: Behaviour;
}

/**
 * Reads what a function does, and keeps a copy in `store`, since the source of an upload goes away. Rejects with `invalid` when nothing says what it does: neither a description nor
 * times that it was measured with.
 */
export async function prepareSimulated(
  definition: FunctionDefinition,
  key: string,
  store: string,
  progress: (line: string) => void,
): Promise<SimulatedFunction> {
  const described = definition.source === null ? null : await readDescription(definition.source);
  const { timings } = definition;
  if (described === null && timings === null) {
    const text = `${definition.source ?? definition.image} has no ${DESCRIPTION_FILE}, and ${key} is registered without timings: nothing says how long it takes`;
    throw new IluvatarError('invalid', text);
  }
  progress(described === null ? 'simulated, as it was measured' : `simulated, as its ${DESCRIPTION_FILE} says`);
  const description = described ?? descriptionSchema.parse({});
  const text = JSON.stringify(description);
  const source = await keep(store, text);
  const { name: _name, version: _version, labels: _labels, ...rest } = definition;
  const digest = sha256(JSON.stringify({ ...rest, source: text }));
  const behaviour = new Behaviour(description, timings === null ? {} : timingsOf(timings));
  return { key, definition: { ...definition, source }, runtime: definition.runtime ?? 'simulated', digest, behaviour };
}

/** Under the hash of its content: registrations of the same at the same time write the same. */
async function keep(store: string, text: string): Promise<string> {
  await mkdir(store, { recursive: true, mode: 0o700 });
  const file = join(store, `${sha256(text)}.json`);
  const half = `${file}.${process.pid}.${performance.now()}`;
  await writeFile(half, text, { mode: 0o600 });
  await rename(half, file);
  return file;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
