import type { FunctionDefinition } from '../../config/api.js';
import { FrameType } from '../../transport/frames.js';
import type { Transport } from '../../transport/transport.js';
import type { AgentChannel, ChannelEvents } from '../agent/channel.js';
import { HttpChannel } from '../agent/http-channel.js';
import { LegacySocketChannel } from '../agent/legacy-socket-channel.js';
import { oldAgentEnvironment } from '../agent/old-agent.js';
import { SocketFolder } from '../agent/socket-folder.js';
import { applyLimits } from '../cgroups/apply-limits.js';
import type { CgroupLayout } from '../cgroups/layout.js';
import type { ContainerLimits } from '../cgroups/limits.js';
import type { AgentsSocket } from './agents-socket.js';
import type { Cell } from './cell.js';
import type { ProcessContainer } from './container.js';
import type { ProcessFunction } from './function.js';
import type { Reaper } from './reaper.js';

/** Turns a stem cell into a function's container: limits first, then ASSIGN, then the way to speak to it. */
export interface AssignContext {
  readonly scope: string;
  readonly transport: Transport;
  readonly reaper: Reaper;
  readonly socket: AgentsSocket;
  readonly layout: CgroupLayout;
  readonly limits: (definition: FunctionDefinition) => ContainerLimits;
  /** Of this machine. */
  readonly cores: number;
  /** Measure the CPU time of runs. */
  readonly cpuTime: boolean;
  readonly maxBodyBytes: number;
  readonly outputBytes: number;
  readonly killGraceMs: number;
  gone(container: ProcessContainer): void;
}

/** What we have in a container beside the function's own processes. */
const SUPERVISORS = 1;

/**
 * Returns the channel of an old agent, or null for frames. `port` is that of an HTTP agent. Throws when a limit cannot be set: a container
 * without its limits must not run.
 */
export function assignCell(
  cell: Cell,
  fn: ProcessFunction,
  placed: Readonly<Record<string, string>>,
  context: AssignContext,
  seed: string,
  port: number,
  events: ChannelEvents,
): AgentChannel | null {
  const { definition } = fn;
  const limits = context.limits(definition);
  applyLimits(context.layout, cell.cgroup, limits, SUPERVISORS);
  const env: Record<string, string> = { ...placed, ...definition.env };
  if (cell.network !== null) env['ILUVATAR_ADDRESS'] = cell.network.address;
  Object.assign(env, oldAgentEnvironment(definition, hostOf(cell), port));
  const legacy = definition.server === 'framed' ? null : definition.server;
  const meta = JSON.stringify({
    function: fn.key,
    runtime: fn.runtime,
    code: fn.code,
    layers: fn.layers,
    entry: fn.entry,
    env,
    tmpMb: fn.tmpMb,
    maxBody: context.maxBodyBytes,
    outputBytes: context.outputBytes,
    concurrency: definition.concurrency,
    seed,
    legacy,
    argv: fn.argv,
    sockets: legacy === 'legacy-socket',
    // Without a memory cgroup the address space of data is the only limit there is.
    ...(context.layout.memory || limits.memoryBytes === null
      ? {}
      : { rlimitDataMb: (limits.memoryBytes + (limits.swapBytes ?? 0)) / 1_048_576 }),
  });
  if (cell.supervisor === null) throw new Error('its supervisor is gone');
  cell.supervisor.send(FrameType.assign, 0, 0, 0, 0, 0, 0, meta, null);
  return openChannel(cell, definition, context, port, events);
}

/** The way to speak to an old agent; null for frames. */
export function openChannel(
  cell: Cell,
  { server }: FunctionDefinition,
  context: AssignContext,
  port: number,
  events: ChannelEvents,
): AgentChannel | null {
  if (server === 'legacy-socket') {
    return new LegacySocketChannel(context.transport, new SocketFolder(() => cell.pid), events);
  }
  if (server === 'http') {
    const host = hostOf(cell);
    const { maxBodyBytes, transport } = context;
    const takeBody = (payload: number): Buffer => {
      const body = transport.body(payload);
      transport.drop(payload);
      return body;
    };
    return new HttpChannel({ host, port, maxBodyBytes, takeBody }, events);
  }
  return null;
}

/** Where it is reached. */
function hostOf({ network }: Cell): string {
  return network?.address ?? '127.0.0.1';
}
