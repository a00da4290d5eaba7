import { type ConfigField, configFields, ENVIRONMENT_PREFIX } from './fields.js';
import { nearest } from './nearest.js';
import { isMap, parseMapEntry, parseText, showValue } from './values.js';

/**
 * Reads each source of configuration into assignments "this option gets this value, said there". Problems are collected, not
 * thrown: whoever mistyped three names wants to hear of all three.
 */

export interface Assignment {
  readonly field: ConfigField;
  /** The field's path; one longer for an entry of a map. */
  readonly path: readonly string[];
  readonly value: unknown;
  readonly origin: string;
}

export interface Reading {
  readonly assignments: Assignment[];
  readonly problems: string[];
}

export function newReading(): Reading {
  return { assignments: [], problems: [] };
}

/** A parsed file, or an object given in a program. */
export function readObject(reading: Reading, root: unknown, origin: string): void {
  if (root === null || root === undefined) return;
  if (!isMap(root)) {
    reading.problems.push(`${origin}: must be a map of options, not ${showValue(root)}`);
    return;
  }
  readSection(reading, root, [], origin);
}

function readSection(
  reading: Reading,
  section: Record<string, unknown>,
  path: readonly string[],
  origin: string,
): void {
  for (const [name, value] of Object.entries(section)) {
    // A program that passes `{ name: undefined }` means "not given".
    if (value === undefined) continue;
    const here = [...path, name];
    const key = here.join('.');
    const field = configFields().find((candidate) => candidate.key === key);
    if (field !== undefined) {
      assign(reading, field, value, origin);
    } else if (!isSection(here)) {
      reading.problems.push(`${origin}: ${unknownKey(key)}`);
    } else if (isMap(value)) {
      readSection(reading, value, here, origin);
    } else if (value !== null) {
      reading.problems.push(`${origin}: ${key}: must be a map of options, not ${showValue(value)}`);
    }
  }
}

/** `ILUVATAR__A__B=v`. Letter case and single underscores do not matter; map entries keep theirs: `ILUVATAR__LOG__MODULES__pool=debug`. */
export function readEnvironment(reading: Reading, environment: Readonly<Record<string, string | undefined>>): void {
  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || !variable.startsWith(ENVIRONMENT_PREFIX)) continue;
    const parts = variable.slice(ENVIRONMENT_PREFIX.length).split('__');
    const origin = `environment variable ${variable}`;
    const field = configFields().find(({ path }) => samePath(path, parts));
    if (field !== undefined) {
      assignText(reading, field, text, origin);
      continue;
    }
    const map = configFields().find(({ kind, path }) => kind === 'map' && samePath(path, parts.slice(0, path.length)));
    if (map !== undefined) {
      assignEntry(reading, map, parts.slice(map.path.length).join('__'), text, origin);
      continue;
    }
    const guess = nearest(
      variable,
      configFields().map((candidate) => candidate.environment),
    );
    reading.problems.push(`${origin}: there is no such option${guess === null ? '' : `; did you mean ${guess}?`}`);
  }
}

/** `a.b=v`, as given to `--set`. */
export function readFlags(reading: Reading, flags: readonly string[]): void {
  for (const flag of flags) {
    const at = flag.indexOf('=');
    if (at <= 0) {
      reading.problems.push(`flag --set ${flag}: must be key=value, such as http.port=9000`);
      continue;
    }
    const key = flag.slice(0, at);
    const text = flag.slice(at + 1);
    const origin = `flag --set ${key}`;
    const field = configFields().find((candidate) => candidate.key === key);
    const map = configFields().find(({ kind, key: mapKey }) => kind === 'map' && key.startsWith(`${mapKey}.`));
    if (field !== undefined) assignText(reading, field, text, origin);
    else if (map !== undefined) assignEntry(reading, map, key.slice(map.key.length + 1), text, origin);
    else if (isSection(key.split('.'))) reading.problems.push(`${origin}: is a section; set one of its options`);
    else reading.problems.push(`${origin}: ${unknownKey(key)}`);
  }
}

/** Flags such as `--http-port 9000`, by the key of the option they set. */
export function readNamedFlags(reading: Reading, flags: Readonly<Record<string, string | undefined>>): void {
  for (const [key, text] of Object.entries(flags)) {
    if (text === undefined) continue;
    const field = configFields().find((candidate) => candidate.key === key);
    if (field === undefined) throw new Error(`no option "${key}" stands behind its flag`);
    const flag = key.replace(/\.enabled$/, '').replace(/\.|(?=[A-Z])/g, '-');
    const origin = `flag --${text === 'false' ? 'no-' : ''}${flag.toLowerCase()}`;
    assignText(reading, field, text, origin);
  }
}

/** "there is no option …; did you mean …?" */
export function unknownKey(key: string): string {
  const keys = configFields().map((field) => field.key);
  const last = key.slice(key.lastIndexOf('.') + 1);
  const guess = nearest(key, keys) ?? nearest(key, sections()) ?? sameLastName(last, keys);
  return `there is no option "${key}"${guess === null ? '' : `; did you mean "${guess}"?`}`;
}

/** `port` alone or in the wrong section: the option of that name elsewhere, of several the one that lies least deep. */
function sameLastName(last: string, keys: readonly string[]): string | null {
  const deepestFirst = [...keys].sort((a, b) => b.split('.').length - a.split('.').length);
  const names = new Map(deepestFirst.map((key) => [key.slice(key.lastIndexOf('.') + 1), key]));
  const guess = nearest(last, names.keys());
  return guess === null ? null : (names.get(guess) ?? null);
}

function assignText(reading: Reading, field: ConfigField, text: string, origin: string): void {
  const parsed = parseText(field, text);
  if (parsed.ok) assign(reading, field, parsed.value, origin);
  else reading.problems.push(`${origin}: ${field.key}: ${showValue(text)} ${parsed.why} (allowed: ${field.allowed})`);
}

function assignEntry(reading: Reading, field: ConfigField, name: string, text: string, origin: string): void {
  const parsed = parseMapEntry(field, text);
  if (!parsed.ok) {
    reading.problems.push(`${origin}: ${field.key}: ${showValue(text)} ${parsed.why} (allowed: ${field.allowed})`);
  } else {
    assign(reading, field, { [name]: parsed.value }, origin);
  }
}

/** Maps are taken apart, so that a later source adds to an earlier one's entries; lists and all else are replaced whole. */
function assign(reading: Reading, field: ConfigField, value: unknown, origin: string): void {
  if (field.kind !== 'map' || !isMap(value)) {
    reading.assignments.push({ field, path: field.path, value, origin });
    return;
  }
  for (const [name, entry] of Object.entries(value)) {
    if (name === '' || name === '__proto__') {
      reading.problems.push(`${origin}: ${field.key}: "${name}" cannot be the name of an entry`);
    } else {
      reading.assignments.push({ field, path: [...field.path, name], value: entry, origin });
    }
  }
}

function sections(): Set<string> {
  const found = new Set<string>();
  for (const { path } of configFields()) {
    for (let length = 1; length < path.length; length++) found.add(path.slice(0, length).join('.'));
  }
  return found;
}

function isSection(path: readonly string[]): boolean {
  return sections().has(path.join('.'));
}

function samePath(path: readonly string[], parts: readonly string[]): boolean {
  return path.length === parts.length && path.every((part, i) => fold(part) === fold(parts[i] as string));
}

function fold(text: string): string {
  return text.replaceAll('_', '').toLowerCase();
}
