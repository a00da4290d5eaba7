import { IluvatarError } from '../../core/errors.js';
import type { NetworkLease, Networks } from '../process/networks.js';

/** A network namespace of the pool, as a promise. */
export function takeLease(networks: Networks): Promise<NetworkLease> {
  return new Promise((resolve, reject) => {
    networks.take((lease, failure) => {
      if (lease !== null) resolve(lease);
      else {
        const { errorClass = 'start_failed', message = 'no network', transient = true } = failure ?? {};
        reject(Object.assign(new IluvatarError(errorClass, message), { transient }));
      }
    });
  });
}
