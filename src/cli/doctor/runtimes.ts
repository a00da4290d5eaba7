import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type FoundInterpreter, findNode, findPython } from '../../backends/process/interpreter.js';
import { type Finding, finding, type Verdict } from './finding.js';

/** The languages and tools that functions, and building the addon, need. */

const GROUP = 'runtimes';
const PROBE_LIMIT_MS = 20_000;
const run = promisify(execFile);

export async function runtimeFindings(configuredPython: string): Promise<Finding[]> {
  const [python, node] = await Promise.all([findPython(configuredPython), findNode()]);
  const interpreter = python.interpreter?.executable ?? 'python3';
  const [pip, npm, compiler, make] = await Promise.all([
    tool(interpreter, ['-m', 'pip', '--version'], 'apt-get install python3-pip'),
    tool('npm', ['--version'], 'install npm with Node'),
    tool('c++', ['--version'], 'apt-get install build-essential'),
    tool('make', ['--version'], 'apt-get install build-essential'),
  ]);
  return [
    finding(GROUP, 'python3', 'Python functions', interpreterVerdict(python)),
    finding(GROUP, 'pip', 'requirements.txt of Python functions', pip),
    finding(GROUP, 'node', 'Node functions', interpreterVerdict(node)),
    finding(GROUP, 'npm', 'package.json dependencies of Node functions', npm),
    finding(GROUP, 'c++ compiler', 'building the addon from source', compiler),
    finding(GROUP, 'make', 'building the addon from source', make),
  ];
}

/** The interpreter that containers get; what was passed over (a version manager's shim, a private home) is said beside it. */
function interpreterVerdict({ interpreter, notes }: FoundInterpreter): Verdict {
  if (interpreter === null) return { state: 'missing', found: 'none', advice: notes.join('; ') };
  const found = `${interpreter.executable} (${interpreter.version})`;
  return { state: 'ok', found: notes.length === 0 ? found : `${found}; ${notes.join('; ')}` };
}

async function tool(command: string, args: readonly string[], advice: string): Promise<Verdict> {
  try {
    const { stdout } = await run(command, args, { timeout: PROBE_LIMIT_MS, cwd: '/' });
    return { state: 'ok', found: stdout.split('\n')[0] as string };
  } catch (error) {
    const { code, stderr = '' } = error as NodeJS.ErrnoException & { stderr?: string };
    const why = code === 'ENOENT' ? 'not found' : (stderr.trim().split('\n').at(-1) ?? 'does not run');
    return { state: 'missing', found: why, advice };
  }
}
