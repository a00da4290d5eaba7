import { join } from 'node:path';
import { buildProgram } from '../../scripts/bundle.mjs';
import { PACKAGE_ROOT } from '../../src/package-files.js';
import { TEST_PROGRAMS } from './test-program.js';

/** Builds the tests' own programs. */
export async function buildPrograms(): Promise<void> {
  await Promise.all(TEST_PROGRAMS.map((name) => buildProgram(join(PACKAGE_ROOT, 'test'), name)));
}
