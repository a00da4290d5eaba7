import { execute } from '../house/process.js';

/** Runs a program of the host to its end and gives back its output; throws with all of it when it fails. */
export async function command(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { code, output } = await execute(program, args, { timeoutMs: 900_000, env: { ...process.env, ...env } });
  if (code !== 0)
    throw new Error(`${program} ended with ${code}:\n${output.trimEnd().split('\n').slice(-30).join('\n')}`);
  return output;
}
