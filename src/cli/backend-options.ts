import { UsageError } from './exit-codes.js';

/** `--backend a,b --backend c`: names in order, each once. */
export function collectBackends(value: string, previous: string[] | undefined): string[] {
  const names = value
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length === 0) throw new UsageError('--backend needs a name, or several with commas between them');
  return [...new Set([...(previous ?? []), ...names])];
}

/** Configuration of a worker that has these backends and prefers them in this order; what else is enabled stays so. Throws UsageError for a name that is none. */
export function backendFlags(names: readonly string[], known: readonly string[]): Record<string, string> {
  for (const name of names) {
    if (!known.includes(name)) throw new UsageError(`there is no backend "${name}"; there are: ${known.join(', ')}`);
  }
  const enabled = names.map((name) => [`backends.${name}.enabled`, 'true'] as const);
  return { ...Object.fromEntries(enabled), defaultBackends: JSON.stringify(names) };
}
