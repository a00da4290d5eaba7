import { expect } from 'vitest';
import { type Agent, PYTHON_AGENT, value, type WireFrame, withAgent } from './harness.js';

/** Functions under test of the python runtime: made from source, with an agent of their own. */
export const ENTRY = { entry: 'main:main' };

export function python<T>(
  source: string,
  use: (agent: Agent, ready: WireFrame) => Promise<T>,
  assign = {},
): Promise<T> {
  return withAgent(PYTHON_AGENT, { 'main.py': source }, { ...ENTRY, ...assign }, use);
}

/** The container is kept: the same process answers the next invocation. */
export async function kept(agent: Agent): Promise<void> {
  const pid = agent.process.pid;
  expect(value(await agent.invoke({ probe: 1 }))).toEqual({ probe: 1 });
  expect(agent.process.pid).toBe(pid);
}

/** `main` does `body` unless it is asked for a probe. */
export function misbehaving(body: string, head = ''): string {
  const lines = body.split('\n').map((line) => `    ${line}`);
  return `${head}\ndef main(args):\n    if 'probe' in args: return args\n${lines.join('\n')}\n`;
}
