import { IluvatarError } from '../core/errors.js';
import type { Store } from './store.js';

/**
 * Versions of what the tables hold. A store of an older version is brought up step by step, each step one commit together with its number; one of a newer version is
 * refused, since this worker would not know what it throws away.
 */
export interface Migration {
  /** The version after it; they are numbered without a gap, from 2 on. */
  readonly version: number;
  /** For the log: what changes. */
  readonly title: string;
  /** Only reads, puts and removes. Is run again from the same state when it is cut short. */
  apply(store: Store): void;
}

/** Version 1 is the first: every table as its owner writes it. */
export const MIGRATIONS: readonly Migration[] = [];

export function schemaVersion(migrations: readonly Migration[] = MIGRATIONS): number {
  return migrations.at(-1)?.version ?? 1;
}

/** Those to be applied to a store of this version, in order. Throws `unavailable` for a newer one. */
export function migrationsFrom(version: number, migrations: readonly Migration[] = MIGRATIONS): readonly Migration[] {
  const current = schemaVersion(migrations);
  if (version > current) {
    throw new IluvatarError(
      'unavailable',
      `the store was written by a newer worker (schema ${version}, this one knows ${current}): start that one, or give this one another dataDir`,
    );
  }
  return migrations.filter((migration) => migration.version > version);
}
