import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';

/**
 * Finds the interpreters that containers run. What is first on PATH may be a version manager's shim (a shell script that needs its home), so each
 * candidate is asked where it really is, and taken only if an unprivileged uid could use it once its folder is bound into a container.
 */
export interface Interpreter {
  /** The real program, symbolic links resolved. */
  readonly executable: string;
  readonly version: string;
  /** Decides which compiled packages fit. */
  readonly abi: string;
  /** Host folders a container must see read-only beside the system's. */
  readonly paths: readonly string[];
}

export interface FoundInterpreter {
  readonly interpreter: Interpreter | null;
  /** Sentences: what was passed over and why; with `null`, what to install. */
  readonly notes: readonly string[];
}

const run = promisify(execFile);
const PROBE_LIMIT_MS = 20_000;

const PYTHON_PROBE = `
import sys, sysconfig, json
print(json.dumps({
  "executable": getattr(sys, "_base_executable", None) or sys.executable,
  "prefixes": sorted({sys.base_prefix, sys.base_exec_prefix}),
  "version": "%d.%d.%d" % sys.version_info[:3],
  "abi": sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag,
}))
`;

export async function findPython(configured: string, path = process.env['PATH'] ?? ''): Promise<FoundInterpreter> {
  const notes: string[] = [];
  const candidates =
    configured === ''
      ? [...onPath('python3', path), '/usr/bin/python3', '/usr/local/bin/python3'].filter((file) => existsSync(file))
      : [configured];
  const tried = new Set<string>();
  for (const candidate of candidates) {
    if (tried.has(candidate)) continue;
    tried.add(candidate);
    try {
      const interpreter = await probePython(candidate);
      if (notes.length > 0) notes.push(`Python: ${interpreter.executable} (${interpreter.version}) is used instead`);
      return { interpreter, notes };
    } catch (error) {
      notes.push(`Python: ${candidate} is not usable: ${(error as Error).message}`);
    }
  }
  notes.push(
    'Python: none found; install it (Debian, Ubuntu: apt-get install python3 python3-pip) or set sandbox.python',
  );
  return { interpreter: null, notes };
}

async function probePython(candidate: string): Promise<Interpreter> {
  const { stdout } = await run(candidate, ['-I', '-S', '-c', PYTHON_PROBE], {
    timeout: PROBE_LIMIT_MS,
    cwd: '/',
  }).catch((error: Error & { stderr?: string }) => {
    throw new Error((error.stderr ?? '').trim().split('\n').at(-1) || error.message);
  });
  const probe = JSON.parse(stdout) as { executable: string; prefixes: string[]; version: string; abi: string };
  const [major = 0, minor = 0] = probe.version.split('.').map(Number);
  if (major !== 3 || minor < 8) throw new Error(`it is Python ${probe.version}, and 3.8 is the oldest that works`);
  const executable = realpathSync(probe.executable);
  const folders = [...new Set([...probe.prefixes.map((folder) => realpathSync(folder)), dirname(executable)])];
  return { executable, version: probe.version, abi: probe.abi, paths: usable(executable, folders) };
}

/** The running Node when it is a plain `node`, else the first on PATH. */
export async function findNode(path = process.env['PATH'] ?? ''): Promise<FoundInterpreter> {
  const notes: string[] = [];
  const own = /(^|\/)node(js)?$/.test(process.execPath) ? [process.execPath] : [];
  for (const candidate of new Set([...own, ...onPath('node', path), '/usr/bin/node', '/usr/local/bin/node'])) {
    if (!existsSync(candidate)) continue;
    try {
      const script = 'console.log(JSON.stringify([process.execPath,process.versions.node,process.versions.modules]))';
      const { stdout } = await run(candidate, ['-e', script], { timeout: PROBE_LIMIT_MS, cwd: '/' });
      const [where, version, abi] = JSON.parse(stdout) as [string, string, string];
      if (Number(version.split('.')[0]) < 18) throw new Error(`it is Node ${version}, and 18 is the oldest that works`);
      const executable = realpathSync(where);
      const prefix = dirname(dirname(executable));
      return { interpreter: { executable, version, abi: `node-${abi}`, paths: usable(executable, [prefix]) }, notes };
    } catch (error) {
      notes.push(`Node: ${candidate} is not usable: ${(error as Error).message}`);
    }
  }
  notes.push('Node: none found; install it (https://nodejs.org, or apt-get install nodejs)');
  return { interpreter: null, notes };
}

/**
 * The folders outside the system's own that hold it. The folders *above* them do not matter (a container's root has its own), but they
 * themselves and the program keep the permissions they have.
 */
function usable(executable: string, folders: readonly string[]): string[] {
  accessSync(executable, constants.X_OK);
  if (process.getuid?.() === 0 && (statSync(executable).mode & 0o001) === 0) {
    throw new Error(`${executable} may be executed only by its owner, and containers run under other uids`);
  }
  const outside = folders.filter((folder) => !/^\/(usr|bin|sbin|lib\w*)(\/|$)/.test(folder));
  const outermost = outside.filter(
    (folder) => !outside.some((other) => other !== folder && folder.startsWith(`${other}/`)),
  );
  for (const folder of outermost) {
    if (folder === '/' || folder === '') throw new Error('it is installed in "/"');
    if (process.getuid?.() === 0 && (statSync(folder).mode & 0o005) !== 0o005) {
      throw new Error(`${folder} can be entered only by its owner, and containers run under other uids`);
    }
  }
  return outermost;
}

function onPath(name: string, path: string): string[] {
  return path
    .split(delimiter)
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, name))
    .filter((file) => {
      try {
        accessSync(file, constants.X_OK);
        return statSync(file).isFile();
      } catch {
        return false;
      }
    });
}
