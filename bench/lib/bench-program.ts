import { join } from 'node:path';
import { buildProgram } from '../../scripts/bundle.mjs';
import { PACKAGE_ROOT } from '../../src/package-files.js';

/** A bench's own program, built as the product is: what it measures is then not how TypeScript is loaded. `name` is its path below `bench`, without extension. Resolves with the built file's path. */
export function benchProgram(name: string): Promise<string> {
  return buildProgram(join(PACKAGE_ROOT, 'bench'), name);
}
