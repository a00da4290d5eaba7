/**
 * Frames of docs/protocol.md over the agent's connection, and noticing that its descriptor is not ours any more.
 *
 * Reading goes through the event loop, so that timers and promises of user code run between invocations; writing goes straight to the
 * descriptor, which saves the stream machinery on the warm path, and through the stream only for what the kernel does not take at once.
 */
import fs from 'node:fs';
import { Socket } from 'node:net';

export const PROTOCOL_VERSION = 1;
export const FrameType = { hello: 1, error: 2, ping: 3, pong: 4, invoke: 5, result: 6, assign: 18, ready: 19 };
export const Status = { ok: 0, userError: 1, timeout: 2, invalid: 7, unavailable: 8, tooLarge: 11, startFailed: 12 };
/** Exit codes of an agent; the backend turns them into sentences. */
export const Exit = { end: 0, startFailed: 1, internal: 70, connectionTaken: 121, timeout: 124 };

const MAGIC = 0xf1;
const HEADER_BYTES = 32;
const META_LIMIT = 1024 * 1024;
export const BODY_LIMIT = 1024 * 1024 * 1024;
const SMALL = 64 * 1024;
const EMPTY = Buffer.alloc(0);

// User code shares this process: what it replaces later must not be what we use (imported names would follow `syncBuiltinESMExports`).
const { fstatSync, readSync, writeSync } = fs;
const exit = process.reallyExit.bind(process);
const { allocUnsafe, allocUnsafeSlow, byteLength, concat, from: copyOf } = Buffer;

export class Connection {
  #fd;
  #inode;
  #socket;
  #onFrame;
  #onEnd;
  /** Bytes that belong to a frame that is not complete yet. */
  #partial = null;
  #partialBytes = 0;
  #scratch = allocUnsafeSlow(SMALL);

  /**
   * `onFrame(type, requestId, x0, x1, body, meta)`: `body` is valid only during the call, `meta` is text. `onEnd(code)`: null = the stream ended, else an ERR_ name
   * and a sentence.
   */
  constructor(fd, onFrame, onEnd) {
    this.#fd = fd;
    this.#onFrame = onFrame;
    this.#onEnd = onEnd;
    try {
      this.#inode = fstatSync(fd).ino;
      this.#socket = new Socket({
        fd,
        readable: true,
        writable: true,
        allowHalfOpen: true,
        onread: { buffer: allocUnsafeSlow(SMALL), callback: (count, buffer) => this.#read(count, buffer) },
      });
    } catch (error) {
      this.#taken(error.message);
    }
    this.#socket.on('end', () => onEnd(null, ''));
    this.#socket.on('error', () => onEnd(null, ''));
  }

  /** Starts reading. */
  start() {
    this.#socket.resume();
  }

  /** Ends the process unless the descriptor still is the connection that we were given. */
  check() {
    let inode = -1;
    try {
      inode = fstatSync(this.#fd).ino;
    } catch {
      // Closed: no descriptor has this inode.
    }
    if (inode !== this.#inode) this.#taken('it was closed or replaced');
  }

  /** Writes one frame. `meta` is a string, `body` a string or a Buffer. */
  send(type, status, flags, requestId, x0, x1, x2, meta, body) {
    const metaBytes = meta === '' ? 0 : byteLength(meta);
    const text = typeof body === 'string';
    const bodyBytes = text ? byteLength(body) : body.length;
    const total = HEADER_BYTES + metaBytes + bodyBytes;
    const frame = total <= SMALL ? this.#scratch : allocUnsafeSlow(total);
    writeHeader(frame, type, status, flags, requestId, x0, x1, x2, metaBytes, bodyBytes);
    if (metaBytes !== 0) frame.utf8Write(meta, HEADER_BYTES, metaBytes);
    if (bodyBytes !== 0) {
      if (text) frame.utf8Write(body, HEADER_BYTES + metaBytes, bodyBytes);
      else frame.set(body, HEADER_BYTES + metaBytes);
    }
    let done = 0;
    if (this.#socket.writableLength === 0) {
      try {
        do done += writeSync(this.#fd, frame, done, total - done);
        while (done < total);
        return;
      } catch (error) {
        if (error.code === 'EPIPE' || error.code === 'ECONNRESET') return; // the end of the stream says so next
        if (error.code !== 'EAGAIN') this.#taken(error.message);
      }
    }
    // The scratch buffer is used again before the stream has written it.
    this.#socket.write(frame === this.#scratch ? copyOf(frame.subarray(done, total)) : frame.subarray(done, total));
  }

  /** Calls `then` once everything sent is written, or the worker has gone. */
  flush(then) {
    if (this.#socket.writableLength === 0) then();
    else this.#socket.write(EMPTY, then);
  }

  #read(count, buffer) {
    if (this.#partial !== null) {
      this.#append(buffer, count);
      return true;
    }
    const used = this.#frames(buffer, count);
    if (used < count) this.#keep(buffer, used, count);
    return true;
  }

  /** Handles the whole frames of `buffer`; returns how many bytes they were. */
  #frames(buffer, count) {
    let at = 0;
    while (count - at >= HEADER_BYTES) {
      const total = this.#frameBytes(buffer, at);
      if (total > count - at) break;
      const bodyAt = at + HEADER_BYTES + buffer.readUInt32LE(at + 16);
      const stop = at + total;
      const body = bodyAt === stop ? EMPTY : buffer.subarray(bodyAt, stop);
      this.#onFrame(
        buffer[at + 1],
        buffer.readUInt32LE(at + 4),
        buffer.readUInt32LE(at + 20),
        buffer.readUInt32LE(at + 24),
        body,
        bodyAt === at + HEADER_BYTES ? '' : buffer.utf8Slice(at + HEADER_BYTES, bodyAt),
      );
      at = stop;
    }
    return at;
  }

  #frameBytes(buffer, at) {
    if (buffer[at] !== MAGIC) this.#onEnd('ERR_FRAME_MAGIC', `a frame starts with ${buffer[at]}`);
    const metaBytes = buffer.readUInt32LE(at + 16);
    const bodyBytes = buffer.readUInt32LE(at + 8) + buffer.readUInt32LE(at + 12) * 2 ** 32;
    if (metaBytes > META_LIMIT || bodyBytes > BODY_LIMIT) {
      this.#onEnd('ERR_FRAME_TOO_LARGE', `a frame announces ${metaBytes} + ${bodyBytes} bytes`);
    }
    return HEADER_BYTES + metaBytes + bodyBytes;
  }

  #keep(buffer, from, to) {
    const size = to - from >= HEADER_BYTES ? this.#frameBytes(buffer, from) : SMALL;
    this.#partial = allocUnsafeSlow(Math.max(size, to - from));
    this.#partialBytes = buffer.copy(this.#partial, 0, from, to);
  }

  #append(buffer, count) {
    let from = 0;
    while (from < count) {
      let partial = this.#partial;
      // Room for the header first, then for exactly the frame, so that a large body is copied once.
      let goal = HEADER_BYTES;
      if (this.#partialBytes >= HEADER_BYTES) goal = this.#frameBytes(partial, 0);
      if (partial.length < goal) {
        const larger = allocUnsafeSlow(goal);
        partial.copy(larger, 0, 0, this.#partialBytes);
        partial = this.#partial = larger;
      }
      const copied = buffer.copy(partial, this.#partialBytes, from, Math.min(count, from + goal - this.#partialBytes));
      from += copied;
      this.#partialBytes += copied;
      if (this.#partialBytes < HEADER_BYTES || this.#partialBytes < this.#frameBytes(partial, 0)) continue;
      const size = this.#partialBytes;
      this.#partial = null;
      this.#partialBytes = 0;
      this.#frames(partial, size);
      const used = from + this.#frames(buffer.subarray(from, count), count - from);
      if (used < count) this.#keep(buffer, used, count);
      return;
    }
  }

  #taken(why) {
    writeAll(2, `iluvatar: the descriptor of the agent's connection is not usable: ${why}\n`);
    exit(Exit.connectionTaken);
  }
}

function writeHeader(frame, type, status, flags, requestId, x0, x1, x2, metaBytes, bodyBytes) {
  frame[0] = MAGIC;
  frame[1] = type;
  frame[2] = status;
  frame[3] = flags;
  frame.writeUInt32LE(requestId, 4);
  frame.writeUInt32LE(bodyBytes >>> 0, 8);
  frame.writeUInt32LE(Math.floor(bodyBytes / 2 ** 32), 12);
  frame.writeUInt32LE(metaBytes, 16);
  frame.writeUInt32LE(x0, 20);
  frame.writeUInt32LE(x1, 24);
  frame.writeUInt32LE(x2, 28);
}

/** An ASSIGN as `readFrame` takes it. `meta` is JSON text. */
export function encodeAssign(meta) {
  const metaBytes = byteLength(meta);
  const frame = Buffer.alloc(HEADER_BYTES + metaBytes);
  writeHeader(frame, FrameType.assign, 0, 0, 0, 0, 0, 0, metaBytes, 0);
  frame.write(meta, HEADER_BYTES);
  return frame;
}

/** Reads one frame from a pipe, blocking, to its last byte and no further; null when the pipe ends first. For ASSIGN: nothing else is to do until it comes. */
export function readFrame(fd) {
  const head = readExactly(fd, HEADER_BYTES);
  if (head === null) return null;
  const metaBytes = head.readUInt32LE(16);
  const bodyBytes = head.readUInt32LE(8);
  if (head[0] !== MAGIC || metaBytes > META_LIMIT || bodyBytes > BODY_LIMIT)
    throw new Error('no frame on the assign pipe');
  const meta = readExactly(fd, metaBytes);
  const body = readExactly(fd, bodyBytes);
  return meta === null || body === null ? null : { type: head[1], meta: meta.toString('utf8'), body };
}

function readExactly(fd, count) {
  const parts = [];
  for (let left = count; left > 0; ) {
    const part = allocUnsafe(left);
    const read = readSync(fd, part, 0, left, null);
    if (read === 0) return null;
    parts.push(part.subarray(0, read));
    left -= read;
  }
  return parts.length === 1 ? parts[0] : concat(parts);
}

/** Best effort: user code may have closed the descriptor, and a full pipe of an overwhelmed supervisor must not stop us. */
export function writeAll(fd, data) {
  let rest = typeof data === 'string' ? copyOf(data) : data;
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(fd, rest, 0, rest.length));
  } catch {
    // Nowhere is left to say it.
  }
}
