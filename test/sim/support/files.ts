import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { IluvatarError } from '../../../src/core/errors.js';
import type { TraceSource } from '../../../src/traces/trace-source.js';

/** A folder for the files of one suite; gone afterwards. */
export class TestFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'iluvatar-sim-'));

  constructor() {
    afterAll(() => rmSync(this.path, { recursive: true, force: true }));
  }

  at(name: string): string {
    return join(this.path, name);
  }

  write(name: string, content: string | Uint8Array): string {
    writeFileSync(this.at(name), content);
    return this.at(name);
  }
}

/** Arrivals as `[µs, name]`. */
export async function arrivalsOf(source: TraceSource): Promise<[number, string][]> {
  const all: [number, string][] = [];
  for await (const { count, atUs, fn } of source.arrivals()) {
    for (let i = 0; i < count; i++) all.push([atUs[i] as number, source.functions[fn[i] as number]?.name as string]);
  }
  return all;
}

/** The message of the IluvatarError `invalid` that it must end with. */
export async function refusal(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    if (error instanceof IluvatarError && error.errorClass === 'invalid') return error.message;
    throw error;
  }
  throw new Error('it was accepted');
}
