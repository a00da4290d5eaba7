// Floors of the gRPC bench: servers that answer every call with the same InvokeResponse and look at nothing. `node constant-grpc-server.mjs http2|grpc-js`; prints its port.
import { createServer } from 'node:http2';
import { Server, ServerCredentials } from '@grpc/grpc-js';

/** `{ json_result: "null", success: true, duration_us: 25, compute: 1, container_state: WARM }` */
const MESSAGE = Buffer.from([10, 4, 110, 117, 108, 108, 16, 1, 24, 25, 32, 1, 40, 4]);
const PATH = '/iluvatar_rpc.IluvatarWorker/invoke';

const servers = { http2: startHttp2, 'grpc-js': startGrpcJs };
const start = servers[process.argv[2]];
if (start === undefined) throw new Error(`no server "${process.argv[2]}": ${Object.keys(servers).join(', ')}`);
console.log(await start());
process.stdin.resume();
process.stdin.once('close', () => process.exit(0));

async function startHttp2() {
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, MESSAGE.length]), MESSAGE]);
  const server = createServer();
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    // The request is read to its end, as the protocol wants it, and thrown away.
    stream.resume();
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.end(frame);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server.address().port;
}

async function startGrpcJs() {
  const server = new Server();
  const constant = {
    path: PATH,
    requestStream: false,
    responseStream: false,
    requestSerialize: (bytes) => bytes,
    requestDeserialize: (bytes) => bytes,
    responseSerialize: (bytes) => bytes,
    responseDeserialize: (bytes) => bytes,
  };
  server.addService({ invoke: constant }, { invoke: (_call, callback) => callback(null, MESSAGE) });
  return await new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
}
