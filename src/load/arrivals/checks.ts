import { IluvatarError } from '../../core/errors.js';

/** Throws IluvatarError `invalid` for what is not a finite number above 0. */
export function positive(what: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value;
  throw new IluvatarError('invalid', `${what} must be above 0, not ${value}`);
}

/** Throws IluvatarError `invalid` for what is not a finite number from 0. */
export function notNegative(what: string, value: number): number {
  if (Number.isFinite(value) && value >= 0) return value;
  throw new IluvatarError('invalid', `${what} must be 0 or more, not ${value}`);
}
