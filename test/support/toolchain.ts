import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { findCommand, type Requirements } from './requirement.js';

/** A compiler of another language, which is nowhere installed: one that a distribution has is often older than what the clients are written for. */
export interface Toolchain {
  readonly program: string;
  /** As the program says it. */
  readonly version: string;
}

/** null = none, or too old. */
export function goToolchain(): Toolchain | null {
  return toolchain('go', ['/usr/local/go/bin', join(homedir(), 'go/bin')], ['version'], [1, 23]);
}

/** null = none, or too old. */
export function cargoToolchain(): Toolchain | null {
  return toolchain('cargo', [join(homedir(), '.cargo/bin')], ['--version'], [1, 85]);
}

/** As a requirement of a suite. */
export function needsGo(): Requirements['condition'] {
  return { holds: goToolchain() !== null, otherwise: 'needs Go 1.23 (go.dev), on PATH or in /usr/local/go' };
}

/** As a requirement of a suite. */
export function needsCargo(): Requirements['condition'] {
  return { holds: cargoToolchain() !== null, otherwise: 'needs Rust 1.85 (rustup.rs), on PATH or in ~/.cargo' };
}

function toolchain(
  name: string,
  folders: string[],
  ask: string[],
  atLeast: readonly [number, number],
): Toolchain | null {
  const program = findCommand(name) ?? folders.map((folder) => join(folder, name)).find(existsSync);
  if (program === undefined) return null;
  const version = execFileSync(program, ask, { encoding: 'utf8' }).trim();
  const [, major, minor] = (/(\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  if (major === undefined || minor === undefined) return null;
  return major > atLeast[0] || (major === atLeast[0] && minor >= atLeast[1]) ? { program, version } : null;
}
