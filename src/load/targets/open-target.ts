import type { WorkerConfigInput } from '../../config/schema.js';
import { IluvatarError } from '../../core/errors.js';
import type { LoadTarget } from '../target.js';

export const TARGET_KINDS =
  'unix:PATH, http://HOST:PORT, https://…, grpc://HOST:PORT, worker (one of its own, for the time of the load) or simulated (likewise, without containers)';

export interface TargetOptions {
  /** Of a worker of its own; of the others, `transport.maxBodyBytes` alone. */
  readonly config?: WorkerConfigInput;
}

/**
 * Opens what a load is driven against, by its address. Rejects with `invalid` for an address that is none, and with `unavailable` when nobody answers there. Modules
 * are loaded as they are needed: a load over HTTP needs no addon.
 */
export async function openTarget(address: string, { config = {} }: TargetOptions = {}): Promise<LoadTarget> {
  const maxBodyBytes = config.transport?.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES;
  if (address === 'worker' || address === 'simulated') {
    const { WorkerTarget } = await import('./worker-target.js');
    return await WorkerTarget.open({ config, simulated: address === 'simulated' });
  }
  if (address.startsWith('/') || address.startsWith('unix:')) {
    const { UnixTarget } = await import('./unix-target.js');
    return await UnixTarget.open(address.replace(/^unix:(?:\/\/)?/, ''), maxBodyBytes);
  }
  const protocol = URL.canParse(address) ? new URL(address).protocol : '';
  if (protocol === 'http:' || protocol === 'https:') {
    const { HttpTarget } = await import('./http-target.js');
    return await HttpTarget.open(address.replace(/\/+$/, ''));
  }
  if (protocol === 'grpc:') {
    const { GrpcTarget } = await import('./grpc-target.js');
    return await GrpcTarget.open(address.replace(/\/+$/, ''), maxBodyBytes);
  }
  throw new IluvatarError('invalid', `"${address}" is not a target: ${TARGET_KINDS}`);
}

const DEFAULT_MAX_BODY_BYTES = 64 * 1024 * 1024;
