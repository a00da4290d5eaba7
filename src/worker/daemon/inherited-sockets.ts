import { resolvePaths } from '../../config/paths.js';
import type { WorkerConfig } from '../../config/schema.js';
import { IluvatarError } from '../../core/errors.js';
import { type InheritedSocket as Inspected, native } from '../../native.js';
import type { ServiceEnvironment } from './service-environment.js';

/**
 * Listening sockets that were made before this process and outlive it: a service manager's. Edges work on copies, so that a shard which is started again finds them
 * once more, and connections wait in them meanwhile.
 */
export interface InheritedSockets {
  readonly http: InheritedSocket | null;
  readonly grpc: InheritedSocket | null;
  readonly unix: InheritedSocket | null;
}

export interface InheritedSocket {
  readonly fd: number;
  /** "127.0.0.1:80", or the path of a unix socket. */
  readonly address: string;
  /** A process of this worker made it: its path goes when the worker stops. */
  readonly own: boolean;
}

export const NO_SOCKETS: InheritedSockets = { http: null, grpc: null, unix: null };

/**
 * Which edge each descriptor is for: by its name (`FileDescriptorName=http`, `grpc` or `unix`), else by its kind and port. Throws IluvatarError `invalid` for what no edge can use: taken in silence, it
 * would be a port at which connections hang.
 */
export function inheritedSockets(
  descriptors: ServiceEnvironment['descriptors'],
  config: WorkerConfig,
): InheritedSockets {
  const found: { -readonly [edge in keyof InheritedSockets]: InheritedSockets[edge] } = { ...NO_SOCKETS };
  for (const { fd, name } of descriptors) {
    const refuse = (why: string): never => {
      throw new IluvatarError('invalid', `the inherited descriptor ${fd} ("${name}") ${why}`);
    };
    const { family, listening, address } = inspect(fd, refuse);
    if (!listening || family === 'other') refuse('is no listening stream socket');
    const edge = isEdge(name) ? name : family === 'unix' ? 'unix' : isGrpcPort(address, config) ? 'grpc' : 'http';
    if ((edge === 'unix') !== (family === 'unix')) refuse(`is not of the kind that its name says (${address})`);
    if (found[edge] !== null) refuse(`is a second one for ${edge}; each has one`);
    found[edge] = { fd, address, own: false };
  }
  const { socket } = resolvePaths(config);
  if (found.http !== null && !config.http.enabled) {
    throw new IluvatarError('invalid', 'a socket for HTTP was handed over, and http.enabled is false');
  }
  if (found.grpc !== null && !config.grpc.enabled) {
    throw new IluvatarError('invalid', 'a socket for gRPC was handed over, and grpc.enabled is false');
  }
  // Clients look where the configuration says.
  if (found.unix !== null && found.unix.address !== socket) {
    const text = `the unix socket handed over is ${found.unix.address}, and the configuration says ${socket}`;
    throw new IluvatarError('invalid', `${text}: set "socket" to the one or the unit's ListenStream= to the other`);
  }
  return found;
}

function isEdge(name: string): name is keyof InheritedSockets {
  return Object.hasOwn(NO_SOCKETS, name);
}

function isGrpcPort(address: string, { grpc }: WorkerConfig): boolean {
  return grpc.enabled && grpc.port !== 0 && address.endsWith(`:${grpc.port}`);
}

function inspect(fd: number, refuse: (why: string) => never): Inspected {
  try {
    return native().system.inspectSocket(fd);
  } catch (error) {
    return refuse(`is no socket: ${(error as Error).message}`);
  }
}
