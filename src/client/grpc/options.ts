/** How a client of a gRPC server behaves. */
export interface GrpcClientOptions {
  /** TCP connections; calls take turns. One carries thousands of calls a second; more spread them over the server's processes. Default 1. */
  connections?: number;
  /** How long a connection may take until the server has shown that it speaks HTTP/2; ms. Default 5000. */
  connectTimeoutMs?: number;
  /** Longest wait before the next connection after some that failed; ms. Until then calls fail at once. Default 1000. */
  maxBackoffMs?: number;
  /** Largest answer; bytes. Default 64 MiB. */
  maxMessageBytes?: number;
  /** Compression of requests; answers come as the server likes. Default `identity`. */
  compression?: 'identity' | 'gzip';
  /** Ask for a sign of life after so long while calls wait; ms. Default 0 = never. A server may take many as an attack. */
  keepAliveMs?: number;
  /** How long that sign may take; ms. Default 10000. */
  keepAliveTimeoutMs?: number;
}

/** Of one call. */
export interface GrpcCallOptions {
  /** The server is told, and the call fails with `timeout`; ms. 0 = never. */
  timeoutMs?: number;
  /** Gives up with `cancelled`, and tells the server. */
  signal?: AbortSignal;
  /** Names in lower case; bytes under names that end in `-bin`. */
  metadata?: Readonly<Record<string, string | Uint8Array>>;
}

export type GrpcSettings = Required<GrpcClientOptions>;

export function withDefaults(options: GrpcClientOptions): GrpcSettings {
  return {
    connections: 1,
    connectTimeoutMs: 5000,
    maxBackoffMs: 1000,
    maxMessageBytes: 64 * 1024 * 1024,
    compression: 'identity',
    keepAliveMs: 0,
    keepAliveTimeoutMs: 10_000,
    ...options,
  };
}
