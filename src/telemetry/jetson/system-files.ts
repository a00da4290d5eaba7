import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Small files of /sys and /proc below a root, which is `/` or a tree that was recorded on a board. What is missing, forbidden or switched off reads as null: a board of another generation has
 * other files, and a part that is off answers with an error.
 */
export class SystemFiles {
  readonly #root: string;

  constructor(root = '/') {
    this.#root = root;
  }

  /** Without the white space and zero bytes at its ends, which a device tree has. For the start, where nothing runs yet. */
  textNow(path: string): string | null {
    try {
      return trimmed(readFileSync(join(this.#root, path), 'utf8'));
    } catch {
      return null;
    }
  }

  /** The same, off this thread: a sensor that is read over a bus takes its time. */
  async text(path: string): Promise<string | null> {
    try {
      return trimmed(await readFile(join(this.#root, path), 'utf8'));
    } catch {
      return null;
    }
  }

  /** Null also for what is no number. */
  async number(path: string): Promise<number | null> {
    return numberOf(await this.text(path));
  }

  /** Where it is. */
  path(path: string): string {
    return join(this.#root, path);
  }

  /** It is there, and this user may not read it. */
  forbidden(path: string): boolean {
    try {
      readFileSync(join(this.#root, path));
      return false;
    } catch (error) {
      return ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '');
    }
  }

  /** Names in a folder, in the order of their numbers; empty when there is no such folder. */
  list(path: string): string[] {
    try {
      return readdirSync(join(this.#root, path)).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
    } catch {
      return [];
    }
  }
}

export function numberOf(text: string | null): number | null {
  if (text === null || text === '') return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

function trimmed(text: string): string {
  return text.replaceAll('\0', '').trim();
}
