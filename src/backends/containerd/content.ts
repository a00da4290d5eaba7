import { randomInt } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientDuplexStream, type ServiceError, status } from '@grpc/grpc-js';
import { type Blob, checked, readAll } from '../../images/blobs.js';
import { DOCUMENT_LIMIT } from '../../images/documents.js';
import { WriteAction, type WriteContentRequest, type WriteContentResponse } from '../../rpc/gen/content.js';
import { type ContainerdClient, ContainerdError, ignore } from './client.js';

/** containerd's content store: blobs by digest, written once and read as often as needed. */

/** gRPC servers refuse messages of more than 4 MiB by default, and an answer to each keeps the memory of both sides small. */
const CHUNK_BYTES = 1024 * 1024;
/** Of one message: the daemon answers each within moments, or it hangs. */
const ANSWER_LIMIT_MS = 60_000;
const CLOSE_LIMIT_MS = 5_000;
const LOCKED_TRIES = 600;
const LOCKED_PAUSE_MS = 100;

export interface WriteOptions {
  readonly lease: string | null;
  /** What the garbage collector finds from here: `containerd.io/gc.ref.…`. */
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * Brings a blob into the store, or finds it there, which puts it under the lease, too. What an interrupted write left is continued. Resolves with
 * whether it was sent. Rejects with ContainerdError, or with the blob's own error.
 */
export async function writeBlob(client: ContainerdClient, blob: Blob, options: WriteOptions): Promise<boolean> {
  const ref = `iluvatar-${blob.digest}`;
  for (let attempt = 1; ; attempt++) {
    try {
      await new Upload(client, ref, blob, options).run();
      return true;
    } catch (error) {
      if (!(error instanceof ContainerdError)) {
        // Half of a blob that cannot be read is of no use to whoever tries again. Where that fails, too, containerd forgets it after a day.
        await abort(client, ref).catch(() => undefined);
        throw error;
      }
      if (error.alreadyExists) return false;
      // Somebody else writes the same: it will be there, or theirs to take over.
      const locked = error.transient && /locked/.test(error.message);
      if (locked && attempt < LOCKED_TRIES) await sleep(LOCKED_PAUSE_MS + randomInt(LOCKED_PAUSE_MS));
      else if (error.transient || attempt > 1) throw error;
      // What lay there was not the beginning of this blob: anew.
      else await abort(client, ref);
    }
  }
}

/** A blob of the store; null = it is not there. */
export async function storedBlob(client: ContainerdClient, digest: string): Promise<Blob | null> {
  const { content } = client;
  const { info } = await client
    .call('Content.Info', content.info, content, { digest })
    .catch(async (error: unknown) => {
      ignore((failure) => failure.notFound)(error);
      return { info: undefined };
    });
  if (info === undefined) return null;
  const { size } = info;
  const open = (): Readable =>
    checked(Readable.from(pieces(client, digest), { objectMode: false }), digest, size, 'containerd');
  return { digest, size, open };
}

/** A document of the store; null = it is not there. */
export async function storedDocument(client: ContainerdClient, digest: string): Promise<Buffer | null> {
  const blob = await storedBlob(client, digest);
  return blob === null ? null : readAll(blob.open(), DOCUMENT_LIMIT, digest);
}

async function* pieces(client: ContainerdClient, digest: string): AsyncGenerator<Buffer> {
  const call = client.content.read({ digest, offset: 0, size: 0 }, client.metadata());
  try {
    for await (const { data } of call as AsyncIterable<{ data: Uint8Array }>) {
      yield Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    }
  } catch (error) {
    throw new ContainerdError('Content.Read', error as ServiceError);
  } finally {
    call.cancel();
  }
}

async function abort(client: ContainerdClient, ref: string): Promise<void> {
  const { content } = client;
  await client.call('Content.Abort', content.abort, content, { ref }).catch(ignore((error) => error.notFound));
}

/** One stream of writes: each message is answered before the next is sent. */
class Upload {
  readonly #ref: string;
  readonly #blob: Blob;
  readonly #labels: Record<string, string>;
  readonly #call: ClientDuplexStream<WriteContentRequest, WriteContentResponse>;
  #settle: { resolve: (answer: WriteContentResponse) => void; reject: (error: Error) => void } | null = null;
  #failure: Error | null = null;
  readonly #ended: Promise<void>;

  constructor(client: ContainerdClient, ref: string, blob: Blob, { lease, labels = {} }: WriteOptions) {
    this.#ref = ref;
    this.#blob = blob;
    this.#labels = { ...labels };
    this.#call = client.content.write(client.metadata(lease));
    this.#call.on('data', (answer: WriteContentResponse) => {
      this.#settle?.resolve(answer);
      this.#settle = null;
    });
    this.#ended = new Promise((resolve) => this.#call.on('end', resolve).on('error', () => resolve()));
    this.#call.on('error', (error: ServiceError) => this.#fail(new ContainerdError('Content.Write', error)));
    this.#call.on('end', () => this.#fail(unanswered('it ended the write before it was committed')));
  }

  async run(): Promise<void> {
    const { size } = this.#blob;
    try {
      const { offset: there } = await this.#send(WriteAction.STAT, 0);
      let offset = there;
      // Another namespace may have all of it: then only the name is missing.
      if (there < size)
        for await (const chunk of chunksFrom(this.#blob.open(), there)) {
          ({ offset } = await this.#send(WriteAction.WRITE, offset, chunk));
        }
      await this.#send(WriteAction.COMMIT, offset);
    } finally {
      await this.#close();
    }
  }

  #send(action: WriteAction, offset: number, data: Buffer = Buffer.alloc(0)): Promise<WriteContentResponse> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) {
        reject(this.#failure);
        return;
      }
      const timer = setTimeout(() => this.#fail(unanswered('it does not answer')), ANSWER_LIMIT_MS);
      this.#settle = {
        resolve: (answer) => {
          clearTimeout(timer);
          resolve(answer);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      const { size: total, digest: expected } = this.#blob;
      this.#call.write({ action, ref: this.#ref, total, expected, offset, data, labels: this.#labels });
    });
  }

  /** As a client that is done: one that just goes leaves its writer open for a moment, and whoever aborts or continues the write finds it locked. */
  async #close(): Promise<void> {
    if (this.#failure === null) {
      const late = setTimeout(() => this.#call.cancel(), CLOSE_LIMIT_MS);
      this.#call.end();
      await this.#ended;
      clearTimeout(late);
    }
    this.#call.cancel();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#settle?.reject(this.#failure);
    this.#settle = null;
  }
}

function unanswered(details: string): ContainerdError {
  return new ContainerdError('Content.Write', { code: status.UNAVAILABLE, details });
}

/** Of the length that the store is sent, without the first `skip` bytes. */
async function* chunksFrom(source: Readable, skip: number): AsyncGenerator<Buffer> {
  let left = skip;
  let waiting: Buffer[] = [];
  let bytes = 0;
  for await (const read of source) {
    const fresh = (read as Buffer).subarray(Math.min(left, (read as Buffer).length));
    left -= (read as Buffer).length - fresh.length;
    waiting.push(fresh);
    bytes += fresh.length;
    while (bytes >= CHUNK_BYTES) {
      const all = Buffer.concat(waiting);
      yield all.subarray(0, CHUNK_BYTES);
      waiting = [all.subarray(CHUNK_BYTES)];
      bytes -= CHUNK_BYTES;
    }
  }
  if (bytes > 0) yield Buffer.concat(waiting);
}
