import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';

/** A tar archive of files with these contents. */
export async function archiveOf(files: Record<string, string>): Promise<Buffer> {
  const archive = pack();
  for (const [name, text] of Object.entries(files)) archive.entry({ name }, text);
  archive.finalize();
  return await buffer(archive);
}
