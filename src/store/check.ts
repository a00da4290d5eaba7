import { statSync } from 'node:fs';
import { type DataFile, makeDataFile, openDataFile } from './data-file.js';
import { isIntact } from './record.js';
import { decodeState, STATE_KEY, type StoreState, Tally } from './state.js';

/**
 * Reads a file that may be damaged from end to end and writes what it holds into a new one, so that nothing that was not looked at (free lists, stale pages) is used again. LMDB
 * trusts its file: on a damaged one it may end the process by SIGSEGV, SIGBUS or an assertion, or never come back. So this runs in a process of its own (`check-program.ts`).
 */

export interface CheckRequest {
  readonly source: string;
  readonly target: string;
  /** Of the last commit that is known to have been on the disk; an older state means that one was lost. */
  readonly sequence: number;
  readonly maxBytes: number;
}

/** `damage`: what is wrong with the file, in words. `error`: what else was in the way, by the system's name (ENOSPC, …); the file may be good. */
export type CheckResult =
  | { readonly state: StoreState }
  | { readonly damage: string }
  | { readonly error: string; readonly message: string };

/** Not the file's fault, whatever is in it. */
const ELSEWHERE = ['EACCES', 'EPERM', 'EROFS', 'EIO', 'EMFILE', 'ENFILE', 'ENOSPC', 'EDQUOT'];

/** Smallest file with both of LMDB's meta pages. */
const LEAST_BYTES = 2 * 4096;

export async function checkAndCopy({ source, target, sequence, maxBytes }: CheckRequest): Promise<CheckResult> {
  const { size } = statSync(source);
  // LMDB takes an empty file for a new one.
  if (size < LEAST_BYTES) return { damage: `it has ${size} bytes` };
  let file: DataFile;
  let state: StoreState;
  try {
    file = openDataFile(source, { maxBytes: Math.max(maxBytes, size), readOnly: true });
    state = readState(file);
  } catch (error) {
    return blame(error);
  }
  if (state.sequence < sequence) {
    return { damage: `commit ${sequence} was on the disk, and it ends with commit ${state.sequence}` };
  }
  let damage: CheckResult | null = null;
  function* entries(): Iterable<readonly [Buffer, Buffer]> {
    try {
      yield* intactEntries(file, state);
    } catch (error) {
      damage = blame(error);
    }
  }
  try {
    await makeDataFile(target, maxBytes, entries());
  } catch (error) {
    return damage ?? { error: codeOf(error), message: (error as Error).message };
  }
  await file.close();
  return damage ?? { state };
}

/** Throws Damage when something is missing or not as it was written; what came before is then worth nothing either. */
function* intactEntries(file: DataFile, state: StoreState): Iterable<readonly [Buffer, Buffer]> {
  const tally = new Tally();
  let before: Buffer | null = null;
  for (const { key, value } of file.getRange({})) {
    // Also what ends a walk in a circle.
    if (before !== null && Buffer.compare(before, key) >= 0) throw new Damage('its keys are not in order');
    before = Buffer.from(key);
    if (!isIntact(before, value)) throw new Damage('an entry is not as it was written');
    if (!before.equals(STATE_KEY)) tally.add(before, value);
    yield [before, value];
  }
  const difference = tally.difference(state);
  if (difference !== null) throw new Damage(difference);
}

function readState(file: DataFile): StoreState {
  const record = file.get(STATE_KEY);
  if (record === undefined) throw new Damage('it says nothing of its own state');
  return decodeState(record);
}

class Damage extends Error {}

function blame(error: unknown): CheckResult {
  const { message } = error as Error;
  const code = codeOf(error);
  return ELSEWHERE.includes(code) ? { error: code, message } : { damage: message };
}

/** The system's name for it; LMDB gives numbers. */
export function codeOf(error: unknown): string {
  const { code } = error as { code?: string | number };
  if (typeof code === 'number') return SYSTEM_NAMES[code] ?? `${code}`;
  return code ?? '';
}

const SYSTEM_NAMES: Readonly<Record<number, string>> = {
  1: 'EPERM',
  5: 'EIO',
  12: 'ENOMEM',
  13: 'EACCES',
  23: 'ENFILE',
  24: 'EMFILE',
  28: 'ENOSPC',
  30: 'EROFS',
  122: 'EDQUOT',
};
