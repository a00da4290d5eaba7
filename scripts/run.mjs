import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Small things that the scripts share: where the repository is, running programs, finding files. No dependencies: node_modules may not exist yet.
 */

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Path of a program that a development dependency brought. */
export function tool(name) {
  return join(root, 'node_modules', '.bin', name);
}

/** First executable of that name on PATH, or null. */
export function which(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (folder !== '' && existsSync(join(folder, name))) return join(folder, name);
  }
  return null;
}

/** Every file below `folder` whose name ends with one of `endings`, sorted. */
export function filesBelow(folder, endings) {
  const found = [];
  const visit = (path) => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.name === 'node_modules' || entry.name === '__pycache__') continue;
      const inner = join(path, entry.name);
      if (entry.isDirectory()) visit(inner);
      else if (entry.isFile() && endings.some((ending) => entry.name.endsWith(ending))) found.push(inner);
    }
  };
  if (existsSync(folder)) visit(folder);
  return found.sort();
}

/**
 * Runs a program in the repository and resolves with its exit code and output; output is passed on as it comes when `show` is set.
 * Never rejects: a program that cannot be started has code 127 and the reason as its output.
 */
export function run(command, args, { env = {}, show = false, cwd = root } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', show ? 'inherit' : 'pipe', show ? 'inherit' : 'pipe'],
    });
    let output = '';
    child.stdout?.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr?.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', (error) => resolve({ code: 127, output: error.message }));
    child.on('close', (code, signal) =>
      resolve({ code: code ?? 128, output: signal ? `${output}\n${signal}` : output }),
    );
  });
}
