import net from 'node:net';
import { FrameType } from '../../src/transport/frames.js';
import { Transport } from '../../src/transport/transport.js';

/**
 * One side of bench/transport.ts, in a process of its own: `echo-server.ts addon|net PATH`. Answers INVOKE with RESULT and the same body. The node:net one is
 * written as well as JavaScript allows: frames are found in the chunk where they lie, and all answers to one chunk leave in one write.
 * Says `ready` to its parent, and its processor time in µs whenever it is asked.
 */
const [kind, path] = process.argv.slice(2) as [string, string];
const HELLO_META = '{"role":"worker","name":"echo"}';
const HEADER_BYTES = 32;

function ready(): void {
  process.send?.('ready');
}

function serveAddon(): void {
  const transport = new Transport({ maxBodyBytes: 64 << 20, spinUs: 0, highWaterBytes: 1 << 20, hello: HELLO_META });
  transport.listen(path, 0o600, () => ({
    frame(connection, frame) {
      if (frame.type !== FrameType.invoke) return;
      connection.forward(FrameType.result, 0, 3, frame.requestId, 0, 0, 0, null, frame.keep());
    },
    closed() {},
  }));
  ready();
}

function helloFrame(): Buffer {
  const meta = Buffer.from(HELLO_META);
  const head = Buffer.alloc(HEADER_BYTES);
  head[0] = 0xf1;
  head[1] = FrameType.hello;
  head.writeUInt32LE(meta.length, 16);
  head.writeUInt32LE(1, 20);
  head.writeUInt32LE(1, 24);
  head.writeUInt32LE(65536, 28);
  return Buffer.concat([head, meta]);
}

/** Answers to all whole frames in `data`, and what is left over. */
function answer(data: Buffer): { out: Buffer; rest: Buffer } {
  const out = Buffer.allocUnsafe(data.length);
  let at = 0;
  let end = 0;
  while (data.length - at >= HEADER_BYTES) {
    if (data[at] !== 0xf1) throw new Error('the stream is not frames');
    const bodyLength = data.readUInt32LE(at + 8) + data.readUInt32LE(at + 12) * 2 ** 32;
    const metaLength = data.readUInt32LE(at + 16);
    const size = HEADER_BYTES + metaLength + bodyLength;
    if (data.length - at < size) break;
    if (data[at + 1] === FrameType.invoke) {
      out.fill(0, end, end + HEADER_BYTES);
      out[end] = 0xf1;
      out[end + 1] = FrameType.result;
      out[end + 3] = 3;
      out.writeUInt32LE(data.readUInt32LE(at + 4), end + 4);
      out.writeUInt32LE(bodyLength, end + 8);
      data.copy(out, end + HEADER_BYTES, at + HEADER_BYTES + metaLength, at + size);
      end += HEADER_BYTES + bodyLength;
    }
    at += size;
  }
  return { out: out.subarray(0, end), rest: data.subarray(at) };
}

function serveNet(): void {
  const server = net.createServer((socket) => {
    let left = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.write(helloFrame());
    socket.on('data', (chunk: Buffer) => {
      const { out, rest } = answer(left.length === 0 ? chunk : Buffer.concat([left, chunk]));
      left = Buffer.from(rest);
      if (out.length > 0) socket.write(out);
    });
  });
  server.listen(path, ready);
}

process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.(user + system);
});
process.on('disconnect', () => process.exit(0));
if (kind === 'addon') serveAddon();
else serveNet();
