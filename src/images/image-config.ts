import type { ImageConfig } from './documents.js';
import type { Platform } from './platform.js';

/** The configuration of an image: what a base says, with what the function needs on top. No time and no name of a machine gets into it. */

export interface FunctionImage {
  readonly name: string;
  readonly version: string;
  readonly runtime: 'python3' | 'nodejs' | 'binary';
  readonly entry: string;
  /** Digest of the source. */
  readonly source: string;
  readonly entrypoint: readonly string[];
  /** What the agent finds in its environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly user: string;
}

const CREATED = '1970-01-01T00:00:00Z';
const WORKING_DIRECTORY = '/function';

/** What a container of ours has in its environment unless its base says otherwise. */
const ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
  HOME: '/tmp',
  TMPDIR: '/tmp',
};

export function emptyConfig({ os, architecture, variant }: Platform): ImageConfig {
  return {
    architecture,
    os,
    ...(variant === null ? {} : { variant }),
    config: {},
    rootfs: { type: 'layers', diff_ids: [] },
    history: [],
  };
}

/** A configuration with this layer more. */
export function withLayer(config: ImageConfig, diffId: string, what: string): ImageConfig {
  return {
    ...config,
    rootfs: { ...config.rootfs, diff_ids: [...(config.rootfs.diff_ids ?? []), diffId] },
    history: [...(config.history ?? []), { created: CREATED, created_by: `iluvatar build: ${what}` }],
  };
}

/** A base's configuration with the function's: its environment and labels stay where ours do not replace them, its command goes. */
export function functionConfig(base: ImageConfig, fn: FunctionImage): ImageConfig {
  const { Cmd: _cmd, Entrypoint: _entrypoint, ...kept } = base.config ?? {};
  const { created: _created, config: _config, rootfs, history, ...rest } = base;
  const env = { ...ENVIRONMENT, ...environmentOf(kept.Env ?? []), ...fn.env };
  return {
    created: CREATED,
    ...rest,
    config: {
      ...kept,
      User: fn.user,
      Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      Entrypoint: [...fn.entrypoint],
      WorkingDir: WORKING_DIRECTORY,
      Labels: sorted({ ...kept.Labels, ...labelsOf(fn), ...fn.labels }),
    },
    rootfs,
    history: history ?? [],
  };
}

export function labelsOf(fn: FunctionImage): Record<string, string> {
  return {
    'dev.iluvatar.name': fn.name,
    'dev.iluvatar.version': fn.version,
    'dev.iluvatar.runtime': fn.runtime,
    'dev.iluvatar.entry': fn.entry,
    'dev.iluvatar.source': fn.source,
  };
}

/** `NAME=value` pairs as a record; one without `=` is empty. */
export function environmentOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

function sorted(labels: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}
