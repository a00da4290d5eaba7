import { statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { IluvatarError } from '../core/errors.js';
import { codeOf } from './check.js';

/** What stands in the way of a store, in words that name the cause. */
export function troubleText(error: unknown, folder: string): string {
  const code = codeOf(error);
  const { message } = error as Error;
  switch (code) {
    case 'ENOSPC':
      return `the disk of ${folder} is full`;
    case 'EDQUOT':
      return `the quota of the disk of ${folder} is used up`;
    case 'EROFS':
      return `the disk of ${folder} is read-only`;
    case 'EACCES':
    case 'EPERM':
      return `${folder} ${ownerOf(folder)}, and this worker runs as ${userInfo().username} (uid ${userInfo().uid}), who may not write there`;
    case 'EIO':
      return `the disk of ${folder} fails (EIO)`;
    // MDB_MAP_FULL
    case '-30792':
      return `the store in ${folder} is full: raise store.maxMb`;
    default:
      return `the store in ${folder} cannot be written: ${message}`;
  }
}

/** As `unavailable`. One that is an IluvatarError already stays as it is. */
export function storeError(error: unknown, folder: string): IluvatarError {
  if (error instanceof IluvatarError) return error;
  return new IluvatarError('unavailable', troubleText(error, folder));
}

function ownerOf(folder: string): string {
  try {
    const { uid, mode } = statSync(folder);
    return `belongs to uid ${uid} (mode ${(mode & 0o777).toString(8).padStart(4, '0')})`;
  } catch {
    return 'cannot be entered';
  }
}
