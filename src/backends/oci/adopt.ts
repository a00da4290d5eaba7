import * as z from 'zod';
import type { Connection } from '../../transport/transport.js';
import { cgroupDirs } from '../cgroups/layout.js';
import { commonFacts, type KeepableContainer, type KeptContainer } from '../kept.js';
import { livePid, processIdentity } from '../process-identity.js';
import { OciBody, sourceOf } from './body.js';
import type { OciContext } from './context.js';
import type { KeptInEngine } from './engine.js';

/** What is kept of a container of an engine: its agent's connection, what the engine has beside it, and what the worker knows of it. */

const factsSchema = commonFacts.extend({
  /** Its first process, so that one that got its number since is not taken for it. */
  process: z.string(),
  /** Of an HTTP agent. */
  port: z.number().int(),
  /** Of its connection, which is the first descriptor then: the largest body that it takes, in bytes; null = as large as one likes. An old agent has none. */
  agent: z.object({ largest: z.number().nullable() }).nullable(),
  /** The engine's own. */
  engine: z.record(z.string(), z.unknown()),
});

export type OciFacts = z.infer<typeof factsSchema>;

/** `connection`: null = an old agent's. null = the engine says that it ends with this process. */
export function keepBody(
  body: OciBody,
  connection: Connection | null,
  port: number,
  { engine }: OciContext,
): KeepableContainer | null {
  const { cgroup, network, pid } = body;
  const rest = engine.keepable(body.engineName);
  if (cgroup === null || rest === null) return null;
  const largest = connection?.peerMaxBody ?? 0;
  const facts: OciFacts = {
    cgroup: cgroup.name,
    network: network === null ? null : { ...network },
    process: processIdentity(pid),
    port,
    agent: connection === null ? null : { largest: Number.isFinite(largest) ? largest : null },
    engine: { ...rest.facts },
  };
  return { facts, fds: [...(connection === null ? [] : [connection.descriptor()]), ...rest.fds] };
}

/** null = not what `keepBody` writes. */
export function factsOf({ facts, fds }: KeptContainer): OciFacts | null {
  const { data } = factsSchema.safeParse(facts);
  return data === undefined || (data.agent !== null && fds.length === 0) ? null : data;
}

/** What the engine is told of it at its start. */
export function keptInEngine({ cgroup, engine }: OciFacts, context: OciContext): KeptInEngine {
  const dirs = cgroupDirs(context.layout, cgroup);
  return {
    name: `${context.scope}-${cgroup}`,
    cgroupPath: dirs.length === 0 ? '' : `${context.cgroupPath}/${cgroup}`,
    cgroupDirs: dirs,
    facts: engine,
  };
}

export interface AdoptedBody {
  readonly body: OciBody;
  /** It runs, and has its network; false = there is nothing to be done with it but to remove it. */
  readonly whole: boolean;
}

/** As it was. Its network is its own again, if that can be had. */
export function adoptBody(facts: OciFacts, context: OciContext): AdoptedBody {
  const { networks } = context;
  const body = new OciBody(context);
  const { name, cgroupDirs: dirs } = keptInEngine(facts, context);
  body.engineName = name;
  body.cgroup = { name: facts.cgroup, dirs: [...dirs] };
  body.pid = livePid(facts.process);
  body.asked = true;
  if (facts.network !== null && networks !== null) {
    body.network = sourceOf(facts.network, networks)?.reclaim(facts.network) ?? null;
  }
  return { body, whole: body.pid > 0 && (facts.network === null) === (body.network === null) };
}
