import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FLOOR = fileURLToPath(new URL('../floor/', import.meta.url));
const BUILD = fileURLToPath(new URL('../../build/bench/', import.meta.url));

/** Compiles a C program of bench/floor when its source is newer, and returns its path. */
export function floorProgram(name: string, flags: readonly string[] = []): string {
  const source = `${FLOOR}${name}.c`;
  const program = `${BUILD}${name}`;
  mkdirSync(BUILD, { recursive: true });
  if (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs) {
    execFileSync('gcc', ['-O2', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-o', program, source, ...flags], {
      stdio: 'inherit',
    });
  }
  return program;
}
