import { type FileHandle, open, stat } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as sleep } from 'node:timers/promises';

/** Reads a log file's end and what is appended to it, through its rotation and truncation. */

/** Where reading stopped. */
export interface LogPosition {
  readonly inode: number;
  readonly offset: number;
  /** The last lines that `wanted` accepted. */
  readonly lines: readonly string[];
}

const CHUNK_BYTES = 256 * 1024;
const POLL_MS = 200;

/** The last `count` lines that are wanted; null when there is no file. An unfinished last line is left for `followLines`. */
export async function lastLines(
  file: string,
  count: number,
  wanted: (line: string) => boolean,
): Promise<LogPosition | null> {
  const handle = await openIfThere(file);
  if (handle === null) return null;
  try {
    const { ino } = await handle.stat();
    const splitter = new LineSplitter();
    let lines: string[] = [];
    let offset = 0;
    for await (const chunk of chunks(handle, 0)) {
      offset += chunk.length;
      for (const line of splitter.push(chunk)) if (wanted(line)) lines.push(line);
      // Trimmed in steps: only the end is of interest, however long the file is.
      if (lines.length > 2 * count + 1000) lines = tail(lines, count);
    }
    return { inode: ino, offset: offset - splitter.pendingBytes, lines: tail(lines, count) };
  } finally {
    await handle.close();
  }
}

/** Every complete line after `from` (null = the file's beginning, once it is there) until `signal`. */
export async function* followLines(
  file: string,
  from: LogPosition | null,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  let inode = from?.inode ?? 0;
  let offset = from?.offset ?? 0;
  let splitter = new LineSplitter();
  let handle: FileHandle | null = null;
  try {
    while (!signal.aborted) {
      handle ??= await openIfThere(file);
      if (handle !== null) {
        const now = await handle.stat();
        if (now.ino !== inode || now.size < offset) {
          // Another file, or the same one emptied: its lines are all new.
          inode = now.ino;
          offset = 0;
          splitter = new LineSplitter();
        }
        for await (const chunk of chunks(handle, offset)) {
          offset += chunk.length;
          yield* splitter.push(chunk);
        }
        // Looked for only after reading to the end: what was written before the rotation must not be missed.
        if ((await inodeOf(file)) !== inode) {
          await handle.close();
          handle = null;
        }
      }
      await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await handle?.close();
  }
}

/** Bytes in, complete lines out. */
class LineSplitter {
  #decoder = new StringDecoder('utf8');
  #rest = '';
  pendingBytes = 0;

  push(chunk: Buffer): string[] {
    const end = chunk.lastIndexOf(10);
    this.pendingBytes = end < 0 ? this.pendingBytes + chunk.length : chunk.length - end - 1;
    const parts = (this.#rest + this.#decoder.write(chunk)).split('\n');
    this.#rest = parts.pop() as string;
    return parts.filter((line) => line !== '');
  }
}

async function* chunks(handle: FileHandle, from: number): AsyncGenerator<Buffer, void> {
  for (let at = from; ; ) {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function tail(lines: string[], count: number): string[] {
  return count <= 0 ? [] : lines.slice(-count);
}

async function openIfThere(file: string): Promise<FileHandle | null> {
  try {
    return await open(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function inodeOf(file: string): Promise<number> {
  return await stat(file).then(
    ({ ino }) => ino,
    () => 0,
  );
}
