import type { Point } from './point.js';

/**
 * Carbon's plaintext protocol: `iluvatar.edge-1.worker_load.cpu_util 12.5 1700000000`. Times are whole seconds. `tags` make a tagged series of it (`name;tag=value`); the
 * name holds all that is needed without them.
 */
export function graphiteLines(point: Point, prefix: string, tags: Readonly<Record<string, string>>): string {
  const path = [...(prefix === '' ? [] : [prefix]), ...point.path.map(node)].join('.');
  const tagged = Object.entries(tags)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `;${name}=${value.replace(/[;\s]/g, '_').replace(/^~/, '_')}`)
    .join('');
  const seconds = Math.floor(point.timeMs / 1000);
  return point.fields
    .filter(({ value }) => Number.isFinite(value))
    .map(({ name, value }) => `${path}.${node(name)}${tagged} ${value} ${seconds}\n`)
    .join('');
}

/** One node of a name: what would be a separator or a pattern there becomes `_`. */
function node(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]/g, '_');
}
