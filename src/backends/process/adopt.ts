import * as z from 'zod';
import type { Transport } from '../../transport/transport.js';
import { type CgroupLayout, cgroupDirs } from '../cgroups/layout.js';
import { closeAll, commonFacts, type KeepableContainer, type KeptContainer } from '../kept.js';
import type { AddressLease } from '../networks.js';
import { livePid, processIdentity } from '../process-identity.js';
import { Cell, type CellObserver } from './cell.js';

/** What is kept of a cell that has become a function's container: its two connections, and what the worker knows of it. */

const factsSchema = commonFacts.extend({
  userId: z.number().int().nullable(),
  /** Its supervisor, so that a process that got its number since is not taken for it. */
  process: z.string(),
  token: z.string(),
  /** Of an HTTP agent; 0 = it is none. */
  port: z.number().int(),
  /** Largest bodies that its supervisor and its agent take; null = as large as one likes. */
  largest: z.tuple([z.number().nullable(), z.number().nullable()]),
});

export type CellFacts = z.infer<typeof factsSchema>;

export function keepCell(cell: Cell, port: number): KeepableContainer | null {
  const { supervisor, agent } = cell;
  if (supervisor === null) return null;
  const facts: CellFacts = {
    cgroup: cell.name,
    network: cell.network === null ? null : { ...cell.network },
    userId: cell.userId,
    process: processIdentity(cell.pid),
    token: cell.token,
    port,
    largest: [finite(supervisor.peerMaxBody), finite(agent?.peerMaxBody ?? Number.POSITIVE_INFINITY)],
  };
  return { facts, fds: [supervisor.descriptor(), ...(agent === null ? [] : [agent.descriptor()])] };
}

/** null = not what `keepCell` writes. */
export function factsOf(kept: KeptContainer): CellFacts | null {
  const parsed = factsSchema.safeParse(kept.facts);
  const { fds } = kept;
  return parsed.success && (fds.length === 1 || fds.length === 2) ? parsed.data : null;
}

export interface ResumedCell {
  readonly cell: Cell;
  /** Both ends are connected as they were; false = there is nothing to be done with it but to end it. */
  readonly whole: boolean;
}

/** The cell as it was, on connections that are taken over. `network`: its lease, taken again; null = it had none, or it cannot be had again. */
export function resumeCell(
  facts: CellFacts,
  { fds }: KeptContainer,
  network: AddressLease | null,
  { transport, layout }: { readonly transport: Transport; readonly layout: CgroupLayout },
  observer: CellObserver,
): ResumedCell {
  const { cgroup, userId, token, largest } = facts;
  const cell = new Cell({ name: cgroup, dirs: cgroupDirs(layout, cgroup) }, userId, network, observer, token);
  cell.pid = livePid(facts.process);
  const left = [...fds];
  try {
    for (const [index, handler] of [cell.supervisorHandler, cell.agentHandler].slice(0, fds.length).entries()) {
      const connection = transport.resume(left.shift() as number, largest[index] ?? Number.POSITIVE_INFINITY, handler);
      if (index === 0) cell.supervisor = connection;
      else cell.agent = connection;
    }
    return { cell, whole: (facts.network === null) === (network === null) };
  } catch {
    closeAll(left);
    return { cell, whole: false };
  }
}

function finite(bytes: number): number | null {
  return Number.isFinite(bytes) ? bytes : null;
}
