import { IluvatarError } from '../../core/errors.js';
import type { NamespaceSource, NetworkLease } from '../networks.js';

/** A ready network namespace, as a promise. */
export function takeLease(source: NamespaceSource): Promise<NetworkLease> {
  return new Promise((resolve, reject) => {
    source.take((lease, failure) => {
      if (lease !== null) resolve(lease);
      else {
        const { errorClass = 'start_failed', message = 'no network', transient = true } = failure ?? {};
        reject(Object.assign(new IluvatarError(errorClass, message), { transient }));
      }
    }, true);
  });
}
