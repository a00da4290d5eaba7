import { configFields } from '../../config/fields.js';
import { loadConfig } from '../../config/load.js';
import {
  CPU_QUEUE_POLICIES,
  DISPATCH_POLICIES,
  EVICTION_POLICIES,
  GPU_QUEUE_POLICIES,
} from '../../config/policy-names.js';
import type { WorkerConfig } from '../../config/schema.js';
import { IluvatarError } from '../../core/index.js';

/** What is compared: configuration keys with the values that each takes, and every combination of these. */

export interface Variation {
  /** A configuration key, such as `keepAlive.policy`. */
  readonly key: string;
  readonly values: readonly string[];
}

export interface Case {
  /** The value of each varied key, in the order of the variations. */
  readonly values: readonly string[];
  readonly config: WorkerConfig;
  /** Devices whose eviction policy is `offline`, which knows the future and therefore exists in a simulation only. */
  readonly offline: { readonly cpu: boolean; readonly gpu: boolean };
}

/** The name that the offline optimum has among eviction policies. */
export const OFFLINE = 'offline';
const EVICTION_KEYS = ['keepAlive.policy', 'gpu.keepAlive.policy'];
/** What `all` means. */
const ALL: Readonly<Record<string, readonly string[]>> = {
  'queue.policy': CPU_QUEUE_POLICIES,
  'gpu.queue.policy': GPU_QUEUE_POLICIES,
  'dispatch.policy': DISPATCH_POLICIES,
  'keepAlive.policy': [...EVICTION_POLICIES, OFFLINE],
  'gpu.keepAlive.policy': [...EVICTION_POLICIES, OFFLINE],
};
const MOST_CASES = 10_000;

/** `key=v1,v2`; `all` stands for every policy that the key can take. Throws IluvatarError `invalid`. */
export function parseVariation(text: string): Variation {
  const at = text.indexOf('=');
  if (at <= 0)
    throw new IluvatarError('invalid', `"${text}" must be key=value,value, such as keepAlive.policy=lru,ttl`);
  const key = text.slice(0, at);
  const values = text
    .slice(at + 1)
    .split(',')
    .map((value) => value.trim())
    .flatMap((value) => (value === 'all' ? (ALL[key] ?? [value]) : [value]));
  if (values.includes('')) throw new IluvatarError('invalid', `"${text}" has an empty value`);
  if (new Set(values).size < values.length) throw new IluvatarError('invalid', `"${text}" has a value twice`);
  return { key, values };
}

/** Every combination; the last variation changes fastest. Throws IluvatarError `invalid` for a configuration that cannot be. */
export function casesOf(base: WorkerConfig, variations: readonly Variation[]): Case[] {
  const keys = variations.map(({ key }) => key);
  const twice = keys.find((key, i) => keys.indexOf(key) !== i);
  if (twice !== undefined) throw new IluvatarError('invalid', `${twice} is varied twice`);
  const total = variations.reduce((product, { values }) => product * values.length, 1);
  if (total > MOST_CASES) {
    throw new IluvatarError('invalid', `these are ${total} combinations; at most ${MOST_CASES} are compared`);
  }
  let combinations: string[][] = [[]];
  for (const { values } of variations) {
    combinations = combinations.flatMap((head) => values.map((value) => [...head, value]));
  }
  return combinations.map((values) => {
    const offline = { cpu: false, gpu: false };
    const set: string[] = [];
    for (const [i, value] of values.entries()) {
      const key = keys[i] as string;
      if (value === OFFLINE && EVICTION_KEYS.includes(key)) offline[key === EVICTION_KEYS[0] ? 'cpu' : 'gpu'] = true;
      else set.push(`${key}=${value}`);
    }
    return { values, config: overlaid(base, set), offline };
  });
}

/** `base` with these options set; entries of a map are added to what is there. */
function overlaid(base: WorkerConfig, set: readonly string[]): WorkerConfig {
  const { config, origins } = loadConfig({ set });
  const result = structuredClone(base);
  for (const { key, path, kind } of configFields()) {
    if (!origins.has(key)) continue;
    let from = config as unknown as Record<string, unknown>;
    let to = result as unknown as Record<string, unknown>;
    for (const part of path.slice(0, -1)) {
      from = from[part] as Record<string, unknown>;
      to = to[part] as Record<string, unknown>;
    }
    const name = path.at(-1) as string;
    to[name] = kind === 'map' ? { ...(to[name] as object), ...(from[name] as object) } : from[name];
  }
  return result;
}
