import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import type * as z from 'zod';
import { IluvatarError } from '../core/errors.js';
import {
  type Assignment,
  newReading,
  type Reading,
  readEnvironment,
  readFlags,
  readNamedFlags,
  readObject,
} from './assignments.js';
import { type WorkerConfig, type WorkerConfigInput, workerConfigSchema } from './schema.js';
import { showValue } from './values.js';

/**
 * Puts a worker's configuration together: defaults < file < environment < flags. Every refusal names the option, who said it,
 * and what is allowed.
 */

export interface ConfigSources {
  /** JSON or YAML file. */
  file?: string | undefined;
  /** Where `ILUVATAR__A__B` is looked for; usually `process.env`. */
  environment?: Readonly<Record<string, string | undefined>>;
  /** `a.b=v` */
  set?: readonly string[];
  /** Options that have a flag of their own, by key: `{ 'http.port': '9000' }` came as `--http-port 9000`. */
  flags?: Readonly<Record<string, string | undefined>>;
  /** Given by a program; comes last. */
  values?: WorkerConfigInput | undefined;
}

export interface LoadedConfig {
  readonly config: WorkerConfig;
  /** Key → who set it ("file …", "environment variable …", "flag …"); options that are not here have their default. */
  readonly origins: ReadonlyMap<string, string>;
}

/** Throws `invalid` with one line per problem. */
export function loadConfig(sources: ConfigSources = {}): LoadedConfig {
  const reading = newReading();
  if (sources.file !== undefined) readObject(reading, readConfigFile(sources.file), `file ${sources.file}`);
  if (sources.environment !== undefined) readEnvironment(reading, sources.environment);
  if (sources.set !== undefined) readFlags(reading, sources.set);
  readNamedFlags(reading, sources.flags ?? {});
  if (sources.values !== undefined) readObject(reading, sources.values, 'given configuration');
  return finish(reading);
}

/** Defaults and what a program gives, with the same refusals as `loadConfig`. */
export function parseConfig(values: WorkerConfigInput = {}): WorkerConfig {
  return loadConfig({ values }).config;
}

/** The parsed content of a JSON or YAML file (by its name; JSON is also YAML). Throws `invalid`. */
export function readConfigFile(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(resolve(file), 'utf8');
  } catch (error) {
    throw new IluvatarError('invalid', `the configuration file ${file} cannot be read: ${(error as Error).message}`);
  }
  try {
    return file.endsWith('.json') ? JSON.parse(text) : yaml().parse(text);
  } catch (error) {
    throw new IluvatarError('invalid', `the configuration file ${file} is malformed: ${(error as Error).message}`);
  }
}

/** Loaded when there is something to read with it: it is a sixth of what each command of the command line would load, most of which have no such file. */
function yaml(): typeof import('yaml') {
  return createRequire(import.meta.url)('yaml');
}

function finish({ assignments, problems }: Reading): LoadedConfig {
  // By path, so that of two sources the later one counts, and is the one named when its value is refused.
  const winners = new Map<string, Assignment>();
  for (const assignment of assignments) winners.set(assignment.path.join('\0'), assignment);
  const input: Record<string, unknown> = {};
  for (const { path, value } of winners.values()) place(input, path, value);
  const checked = workerConfigSchema.safeParse(input);
  const all = [...problems, ...(checked.error?.issues ?? []).map((issue) => describeIssue(issue, winners))];
  if (all.length > 0 || !checked.success) {
    throw new IluvatarError('invalid', `the configuration is refused:\n  ${[...new Set(all)].join('\n  ')}`);
  }
  const origins = new Map<string, string>();
  for (const { field, origin } of winners.values()) {
    const known = origins.get(field.key);
    // Entries of one map may come from several sources.
    origins.set(field.key, known === undefined || known === origin ? origin : `${known}; ${origin}`);
  }
  return { config: checked.data, origins };
}

function place(root: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = root;
  for (const part of path.slice(0, -1)) {
    // Only names of the schema and entries of its maps come here, never `__proto__`.
    at[part] ??= {};
    at = at[part] as Record<string, unknown>;
  }
  at[path.at(-1) as string] = value;
}

function describeIssue(issue: z.core.$ZodIssue, winners: ReadonlyMap<string, Assignment>): string {
  const path = issue.path.map(String);
  // The issue may lie deeper than what was assigned, as an item of a list does.
  for (let length = path.length; length > 0; length--) {
    const culprit = winners.get(path.slice(0, length).join('\0'));
    if (culprit === undefined) continue;
    const key = culprit.path.join('.');
    return `${culprit.origin}: ${key}: ${showValue(culprit.value)} is refused (allowed: ${culprit.field.allowed})`;
  }
  return `${path.join('.')}: ${issue.message}`;
}
