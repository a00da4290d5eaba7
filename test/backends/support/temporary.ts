import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach } from 'vitest';

/** Temporary folders that go away after each test, also a failed one. */
const made: string[] = [];

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-backend-test-'));
  made.push(folder);
  return folder;
}

/** Writes files below a folder; a value is the text, or text and mode. */
export function writeTree(folder: string, files: Record<string, string | { text: string; mode: number }>): string {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    if (typeof content === 'string') writeFileSync(path, content);
    else writeFileSync(path, content.text, { mode: content.mode });
  }
  return folder;
}

export function removeTemporaryFolders(): void {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** Call once per file. */
export function cleanAfterEach(): void {
  afterEach(removeTemporaryFolders);
}
