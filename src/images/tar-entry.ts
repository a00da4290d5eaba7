import type { Readable } from 'node:stream';
import type { Header, Pack } from 'tar-stream';
import { IluvatarError } from '../core/errors.js';
import { invalid, reasonOf } from './failure.js';

/** What a tar takes an entry's content with. */
type Sink = ReturnType<Pack['entry']>;

/** What it does not say has the tar's defaults. */
export type EntryHeader = Partial<Header> & Pick<Header, 'name' | 'mtime'>;

/**
 * Adds one entry to a tar, its content streamed; resolves when the tar has taken all of it. Fails with `invalid` when there are not exactly as many bytes as the header
 * says. By hand, since the tar's streams are not Node's own, whose `pipeline` would not see all of their ends.
 */
export function addEntry(tar: Pack, header: EntryHeader, open: (() => Readable) | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const sink = tar.entry(header, (error) => (error ? reject(error) : resolve()));
    sink.on('error', reject);
    if (open === null) return;
    fill(sink, header.size ?? 0, open).catch((error: Error) => {
      // What is known already keeps its class: a registry that went away is no fault of the entry.
      const known = error instanceof IluvatarError;
      const why = known ? error : invalid(`"${header.name}" cannot be packed: ${reasonOf(error)}`);
      reject(why);
      sink.destroy(why);
    });
  });
}

async function fill(sink: Sink, size: number, open: () => Readable): Promise<void> {
  let bytes = 0;
  // An empty file, too, is opened: one that cannot be read must not pass as empty.
  for await (const chunk of open()) {
    bytes += (chunk as Buffer).length;
    if (bytes > size) break;
    if (!sink.write(chunk)) await drained(sink);
  }
  if (bytes !== size) throw new Error('it changed while it was read');
  sink.end(undefined);
}

function drained(sink: Sink): Promise<void> {
  return new Promise((resolve, reject) => {
    const closed = (): void => reject(new Error('the tar was given up'));
    sink.once('close', closed);
    sink.once('drain', () => {
      sink.off('close', closed);
      resolve();
    });
  });
}
