import { randomBytes } from 'node:crypto';
import { oldAgentEnvironment } from '../agent/old-agent.js';
import type { OciFunction } from './function.js';

/** What a container's first process finds in its environment: the image's, the worker's for its agent, the placement's, the function's. */

export interface EnvironmentFacts {
  readonly container: string;
  readonly token: string;
  /** null = it has none of its own. */
  readonly address: string | null;
  /** Where an HTTP agent listens. */
  readonly host: string;
  readonly port: number;
}

export function containerEnvironment(
  fn: OciFunction,
  placed: Readonly<Record<string, string>>,
  facts: EnvironmentFacts,
): Record<string, string> {
  const { definition, process: plan } = fn;
  const env: Record<string, string> = { ...plan.env, ...placed, ...definition.env };
  Object.assign(env, oldAgentEnvironment(definition, facts.host, facts.port));
  if (facts.address !== null) env['ILUVATAR_ADDRESS'] = facts.address;
  if (definition.server === 'framed') {
    env['ILUVATAR_CONTAINER'] = facts.container;
    env['ILUVATAR_TOKEN'] = facts.token;
    env['ILUVATAR_FUNCTION'] = fn.key;
    env['ILUVATAR_ASSIGN'] = JSON.stringify({
      ...fn.assign,
      function: fn.key,
      seed: randomBytes(16).toString('hex'),
    });
  }
  return env;
}
