import type { FunctionDefinitionInput } from '../../config/api.js';

/** What the original's files call our backends and servers. */

const ISOLATIONS: Readonly<Record<string, string>> = { containerd: 'containerd', docker: 'docker', process: 'process' };
const SERVERS: Readonly<Record<string, NonNullable<FunctionDefinitionInput['server']>>> = {
  http: 'http',
  'unix-socket': 'legacy-socket',
  unix: 'legacy-socket',
  socket: 'legacy-socket',
};

/** Of `CONTAINERD|DOCKER`; none = nothing is said. Null = one of them is none that we know. */
export function backendsOf(isolation: string): readonly string[] | null {
  if (isolation.trim() === '') return [];
  const backends = isolation.split('|').map((name) => ISOLATIONS[name.trim().toLowerCase()]);
  return backends.every((name) => name !== undefined) ? backends : null;
}

/** Nothing said = `http`, as in the original. Null = it is none that we know. */
export function serverOf(server: string): NonNullable<FunctionDefinitionInput['server']> | null {
  return server.trim() === '' ? 'http' : (SERVERS[server.trim().toLowerCase()] ?? null);
}
