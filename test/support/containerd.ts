import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { createConnection } from 'node:net';
import { ContainerdDaemon } from './containerd-daemon.js';
import { decode, encode, type Field, type Message, nested, number, text } from './protobuf.js';

/** A containerd of the test's own, with a client of a few lines, since what is tested here is on containerd's other side. */

/** A call that failed; `code` is gRPC's. */
export class CallError extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export interface TaskEventSeen {
  readonly topic: string;
  readonly container: string;
  /** Of an exit. */
  readonly status: number;
}

export class ContainerdWithClient {
  readonly namespace = 'test';
  readonly events: TaskEventSeen[] = [];
  readonly #daemon = new ContainerdDaemon();
  #session: ClientHttp2Session | null = null;

  get folder(): string {
    return this.#daemon.folder;
  }

  get socket(): string {
    return this.#daemon.address;
  }

  get pid(): number {
    return this.#daemon.pid;
  }

  async start(): Promise<void> {
    await this.#daemon.restart();
    this.#session = await this.#connect();
    this.#subscribe();
    await this.call('containerd.services.namespaces.v1.Namespaces', 'Create', [
      [1, encode([[1, this.namespace]])],
    ]).catch((error: CallError) => {
      if (error.code !== 6) throw error;
    });
  }

  /** As by SIGKILL or SIGTERM; resolves when it is gone. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#session?.destroy();
    this.#session = null;
    await (signal === 'SIGKILL' ? this.#daemon.kill() : this.#daemon.terminate());
  }

  /** Also takes away whatever it left. */
  async remove(): Promise<void> {
    this.#session?.destroy();
    this.#session = null;
    await this.#daemon.close();
  }

  /** One unary call; the answer by field numbers. Rejects with CallError. */
  async call(service: string, method: string, fields: readonly Field[]): Promise<Message> {
    const stream = this.#request(service, method, fields);
    const chunks: Buffer[] = [];
    let code = '';
    let message = '';
    const read = (headers: Record<string, unknown>): void => {
      if (headers['grpc-status'] !== undefined) code = String(headers['grpc-status']);
      if (headers['grpc-message'] !== undefined) message = decodeURIComponent(String(headers['grpc-message']));
    };
    stream.on('response', read);
    stream.on('trailers', read);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    await new Promise<void>((resolve, reject) => {
      stream.once('close', resolve);
      stream.once('error', reject);
    });
    if (code !== '0') throw new CallError(code === '' ? 14 : Number(code), message);
    // One byte that says it is not compressed, four of length.
    return decode(Buffer.concat(chunks).subarray(5));
  }

  #request(service: string, method: string, fields: readonly Field[]) {
    if (this.#session === null) throw new CallError(14, 'containerd is not running');
    const body = encode(fields);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': `/${service}/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      'containerd-namespace': this.namespace,
    });
    stream.end(Buffer.concat([head, body]));
    return stream;
  }

  #subscribe(): void {
    const stream = this.#request('containerd.services.events.v1.Events', 'Subscribe', [[1, 'topic~="/tasks/.*"']]);
    let buffer = Buffer.alloc(0);
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => {
      buffer = Buffer.concat([buffer, chunk]);
      while (buffer.length >= 5 && buffer.length >= 5 + buffer.readUInt32BE(1)) {
        const size = buffer.readUInt32BE(1);
        const envelope = decode(buffer.subarray(5, 5 + size));
        buffer = buffer.subarray(5 + size);
        const event = decode((nested(envelope, 4).get(2)?.[0] as Buffer | undefined) ?? Buffer.alloc(0));
        const topic = text(envelope, 3);
        const status = topic === '/tasks/exit' ? number(event, 4) : 0;
        this.events.push({ topic, container: text(event, 1), status });
      }
    });
  }

  async #connect(): Promise<ClientHttp2Session> {
    const session = connect('http://localhost', { createConnection: () => createConnection(this.socket) });
    session.on('error', () => {});
    await once(session, 'connect');
    return session;
  }
}
