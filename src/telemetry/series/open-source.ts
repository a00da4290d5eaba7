import { IluvatarError } from '../../core/index.js';
import { EnergyFileSource } from './energy-file-source.js';
import { GraphiteSource } from './graphite-source.js';
import { InfluxSource } from './influx-source.js';
import { PrometheusSource } from './prometheus-source.js';
import type { SeriesSource } from './series-source.js';

/** Secrets do not belong into addresses, which are shown and recorded. */
export interface SourceSecrets {
  readonly token?: string;
  readonly user?: string;
  readonly password?: string;
}

export const SOURCE_FORMS = [
  'graphite://host[:port][/prefix]',
  'prometheus+http://host[:port]',
  'influx+http://host[:port]/database',
  'influx2+http://host[:port]/organisation/bucket',
  'energy://file',
] as const;

/** Opens a source by its address, one of `SOURCE_FORMS`; https in place of http where it is spoken. Throws IluvatarError `invalid`. */
export function openSource(
  address: string,
  { token = '', user = '', password = '' }: SourceSecrets = {},
): SeriesSource {
  const refuse = (why: string): never => {
    throw new IluvatarError('invalid', `"${address}" ${why}; known are ${SOURCE_FORMS.join(', ')}`);
  };
  // A path, with or without a slash at its beginning, and no host.
  const file = /^energy:\/\/(.+)$/.exec(address)?.[1];
  if (file !== undefined) return new EnergyFileSource(file);
  const [, kind = '', transport = 'http', rest = ''] = /^([a-z0-9]+)(?:\+(https?))?:\/\/(.+)$/.exec(address) ?? [];
  if (kind === '') return refuse('is no address of a source of series');
  let url: URL;
  try {
    url = new URL(`${transport}://${rest}`);
  } catch {
    return refuse('is no address of a source of series');
  }
  if (url.username !== '' || url.password !== '') return refuse('holds a password, which belongs into the environment');
  const path = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
  const { origin } = url;
  switch (kind) {
    case 'graphite':
      return new GraphiteSource(origin, path.join('.') || 'iluvatar');
    case 'prometheus':
      return new PrometheusSource(`${origin}${url.pathname}`);
    case 'influx': {
      if (path.length > 1) return refuse('names more than a database');
      const [bucket = 'workers'] = path;
      return new InfluxSource({ url: origin, api: 'v1', bucket, org: '', token: '', user, password });
    }
    case 'influx2': {
      const [org, bucket = 'workers'] = path;
      if (org === undefined || path.length > 2) return refuse('does not name an organisation, and perhaps a bucket');
      return new InfluxSource({ url: origin, api: 'v2', bucket, org, token, user: '', password: '' });
    }
    default:
      return refuse(`is of no known kind ("${kind}")`);
  }
}
