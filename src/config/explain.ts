import { IluvatarError } from '../core/errors.js';
import { unknownKey } from './assignments.js';
import { type ConfigField, configFields } from './fields.js';
import type { LoadedConfig } from './load.js';

/** Everything there is to know about an option: what it is, what it is now, and who said so. */
export interface ExplainedOption extends ConfigField {
  readonly value: unknown;
  /** "default" or the source that set it. */
  readonly source: string;
}

/** One option, or all of a section (`http`); `''` is everything. Throws `invalid` for an unknown key. */
export function explainConfig(loaded: LoadedConfig, key: string): ExplainedOption[] {
  const fields = configFields().filter((field) => key === '' || field.key === key || field.key.startsWith(`${key}.`));
  if (fields.length === 0) throw new IluvatarError('invalid', unknownKey(key));
  return fields.map((field) => ({
    ...field,
    value: valueAt(loaded.config, field.path),
    source: loaded.origins.get(field.key) ?? 'default',
  }));
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], root);
}
