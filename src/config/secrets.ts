/**
 * What of a configuration nobody should read over somebody's shoulder or find in a pasted output: options of these names, wherever they stand, and the values of maps
 * of these names. A new option that holds a secret takes one of them.
 */
const SECRETS: ReadonlySet<string> = new Set(['secret', 'token', 'password']);
const SECRET_MAPS: ReadonlySet<string> = new Set(['headers']);

export const HIDDEN = '(hidden)';

/** A copy of a configuration, or of a part of one called `name`, in which secrets that are set read `(hidden)`. */
export function withoutSecrets(value: unknown, name = ''): unknown {
  if (typeof value === 'string') return SECRETS.has(name) && value !== '' ? HIDDEN : value;
  if (Array.isArray(value)) return value.map((item) => withoutSecrets(item, name));
  if (typeof value !== 'object' || value === null) return value;
  const hidden = SECRET_MAPS.has(name);
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, hidden ? HIDDEN : withoutSecrets(inner, key)]),
  );
}
