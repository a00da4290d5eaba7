import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** For sources that are written to be registered. Whoever asks for it removes it. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'iluvatar-load-functions-'));
}
