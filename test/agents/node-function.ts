import { expect } from 'vitest';
import { type Agent, NODE_AGENT, value, type WireFrame, withAgent } from './harness.js';

/** Functions under test of the node runtime: made from source, with an agent of their own. */
export function node<T>(source: string, use: (agent: Agent, ready: WireFrame) => Promise<T>, assign = {}): Promise<T> {
  return withAgent(NODE_AGENT, { 'index.js': source }, { entry: 'index.js:handler', ...assign }, use);
}

/** The container is kept: the same process answers the next invocation. */
export async function kept(agent: Agent): Promise<void> {
  const pid = agent.process.pid;
  expect(value(await agent.invoke({ probe: 1 }))).toEqual({ probe: 1 });
  expect(agent.process.pid).toBe(pid);
}

/** The handler does `body` unless it is asked for a probe. */
export function misbehaving(body: string, kind = ''): string {
  return `exports.handler = ${kind} (args) => {\n  if (args.probe) return args;\n  ${body}\n};\n`;
}
