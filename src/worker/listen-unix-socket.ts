import { IluvatarError } from '../core/errors.js';
import { startUnixSocketEdge } from '../server/unix-socket/edge.js';
import type { Transport } from '../transport/transport.js';
import type { WorkerGateway } from './worker-gateway.js';

/** Returns the function that ends it. Throws `conflict` when another worker listens there, else `unavailable`. */
export function listenUnixSocket(transport: Transport, gateway: WorkerGateway, path: string, mode: number): () => void {
  try {
    return startUnixSocketEdge({ transport, gateway, path, mode });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const taken = code === 'EADDRINUSE';
    const why = taken ? 'another worker listens there' : message;
    throw new IluvatarError(taken ? 'conflict' : 'unavailable', `cannot listen on ${path}: ${why}`);
  }
}
