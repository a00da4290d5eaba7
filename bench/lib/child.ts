import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

/** The first line a child prints, by which all servers of the benches say that they listen. Rejects when the child ends before it. */
export async function firstLine(child: ChildProcess, name: string): Promise<string> {
  const { stdout } = child;
  if (stdout === null) throw new Error(`${name} has no stdout to read`);
  const lines = createInterface({ input: stdout });
  return await new Promise((resolve, reject) => {
    lines.once('line', resolve);
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`${name} ended with ${code ?? signal} before it listened`)));
  });
}
