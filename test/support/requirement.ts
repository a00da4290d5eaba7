import { accessSync, appendFileSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe } from 'vitest';

/**
 * What a suite needs from the machine. A suite that cannot run here is skipped by name and with its reason, never silently: each skip is written to
 * the run's state folder, `npm test` prints the list, and fails with it when `CI=true`.
 */
export interface Requirements {
  root?: boolean;
  /** A memory and a cpu controller in which this process may make groups, v1 or v2. */
  cgroups?: boolean;
  /** One of these is enough. */
  cgroupVersion?: 1 | 2;
  userNamespaces?: boolean;
  /** Programs found on PATH; all of them. */
  command?: string | readonly string[];
  /** Files or folders that must exist. */
  file?: string | readonly string[];
  /** Anything else: `holds` decides, `otherwise` is the reason for people. */
  condition?: { holds: boolean; otherwise: string };
}

/** As `describe`, but skipped, with the reason on record, when the machine lacks something. */
export function describeWith(requirements: Requirements, name: string, body: () => void): void {
  const missing = missingOf(requirements);
  if (missing.length === 0) {
    describe(name, body);
    return;
  }
  const reason = missing.join('; ');
  recordSkip(name, reason);
  describe.skip(`${name} (skipped: ${reason})`, body);
}

/** Sentences, one per unmet requirement. */
export function missingOf(requirements: Requirements): string[] {
  const missing: string[] = [];
  if (requirements.root === true && process.getuid?.() !== 0) missing.push('needs root');
  if (requirements.cgroups === true && !cgroupsUsable()) {
    missing.push('needs cgroup controllers memory and cpu that this process may use');
  }
  if (
    requirements.cgroupVersion !== undefined &&
    !cgroupFolders().some((f) => f.version === requirements.cgroupVersion)
  ) {
    missing.push(`needs cgroup v${requirements.cgroupVersion} with a memory controller`);
  }
  if (requirements.userNamespaces === true && !userNamespaces()) missing.push('needs unprivileged user namespaces');
  for (const command of list(requirements.command)) {
    if (findCommand(command) === null) missing.push(`needs the program "${command}"`);
  }
  for (const file of list(requirements.file)) if (!existsSync(file)) missing.push(`needs ${file}`);
  if (requirements.condition?.holds === false) missing.push(requirements.condition.otherwise);
  return missing;
}

/** Full path of a program on PATH, or null. */
export function findCommand(name: string): string | null {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

function list(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}

/** The hierarchies that carry the memory or the cpu controller and can be written. */
function cgroupFolders(): { version: 1 | 2; controllers: string[] }[] {
  const found: { version: 1 | 2; controllers: string[] }[] = [];
  for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
    const [, path = '', type, options = ''] = line.split(' ');
    if (type !== 'cgroup' && type !== 'cgroup2') continue;
    const controllers =
      type === 'cgroup2'
        ? readFileSync(join(path, 'cgroup.controllers'), 'utf8').trim().split(' ')
        : options.split(',');
    const ours = controllers.filter((name) => name === 'memory' || name === 'cpu');
    try {
      accessSync(path, constants.W_OK);
      if (ours.length > 0) found.push({ version: type === 'cgroup2' ? 2 : 1, controllers: ours });
    } catch {
      // Read-only here.
    }
  }
  return found;
}

function cgroupsUsable(): boolean {
  const controllers = cgroupFolders().flatMap((folder) => folder.controllers);
  return controllers.includes('memory') && controllers.includes('cpu');
}

function userNamespaces(): boolean {
  const read = (path: string): string | null => (existsSync(path) ? readFileSync(path, 'utf8').trim() : null);
  return (
    read('/proc/sys/user/max_user_namespaces') !== '0' && read('/proc/sys/kernel/unprivileged_userns_clone') !== '0'
  );
}

function recordSkip(suite: string, reason: string): void {
  const folder = process.env['ILUVATAR_TEST_STATE'];
  if (folder !== undefined) appendFileSync(join(folder, 'skips.jsonl'), `${JSON.stringify({ suite, reason })}\n`);
}
