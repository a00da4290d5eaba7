import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { native } from '../../src/native.js';
import { Http2Connection, Http2Server, type Http2ServerOptions } from '../../src/transport/http2.js';
import { type ConnectionHandler, Transport } from '../../src/transport/transport.js';

/** A server of HTTP/2 on a transport of its own; what its connections hear is the test's. */
export interface TestServer extends AsyncDisposable {
  readonly port: number;
  readonly transport: Transport;
  /** Open ones. */
  readonly connections: Set<Http2Connection>;
}

const DEFAULTS: Http2ServerOptions = {
  maxStreams: 100,
  maxHeaderBytes: 65_536,
  streamWindow: 65_535,
  connectionWindow: 65_535,
  maxWaitingBytes: 64 * 1024 * 1024,
  paths: [],
};

/** `frame` as of a ConnectionHandler. */
export async function startHttp2Server(
  frame: (connection: Http2Connection, frame: Parameters<ConnectionHandler['frame']>[1]) => void,
  options: Partial<Http2ServerOptions> = {},
): Promise<TestServer> {
  const transport = new Transport({ maxBodyBytes: 1 << 26, spinUs: 0, highWaterBytes: 1 << 20, hello: '' });
  const http2 = new Http2Server(transport, { ...DEFAULTS, ...options });
  const connections = new Set<Http2Connection>();
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    const connection = http2.serve(native().system.duplicate(fd), {
      frame: (from, received) => {
        if (from instanceof Http2Connection) frame(from, received);
      },
      closed: () => connections.delete(connection),
    });
    connections.add(connection);
    socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    transport,
    connections,
    async [Symbol.asyncDispose]() {
      transport.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
