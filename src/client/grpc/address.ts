import { connect as connectSocket, type Socket } from 'node:net';
import { IluvatarError } from '../../core/errors.js';

/** Where a gRPC server listens. */
export interface GrpcAddress {
  /** For people: `grpc://127.0.0.1:8070`, `unix:/run/worker.sock`. */
  readonly text: string;
  /** What HTTP/2 calls the server in `:authority`. */
  readonly authority: string;
  open(): Socket;
}

/** Reads `host:port`, `[::1]:port`, either after `grpc://`, or `unix:/path`. Throws `invalid` for anything else. */
export function parseGrpcAddress(text: string): GrpcAddress {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length).replace(/^\/\/(?=\/)/, '');
    if (path !== '') return { text: `unix:${path}`, authority: 'localhost', open: () => connectSocket({ path }) };
  }
  const match = /^(?:grpc:\/\/)?(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>[^[\]:/@\s]+)):(?<port>\d{1,5})\/?$/.exec(text);
  const port = Number(match?.groups?.['port']);
  const host = match?.groups?.['v6'] ?? match?.groups?.['host'];
  if (host === undefined || port < 1 || port > 65_535) {
    throw new IluvatarError('invalid', `"${text}" is no gRPC address: host:port, grpc://host:port or unix:/path`);
  }
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return { text: `grpc://${authority}`, authority, open: () => connectSocket({ host, port, noDelay: true }) };
}
