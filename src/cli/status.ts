import type { AsyncCounters, EnergyStatus, PowerCapStatus, WorkerStatus } from '../config/api.js';
import type { JetsonStatus } from '../config/jetson-api.js';
import { action, type CommandHost } from './command-host.js';
import { facts, joules, seconds } from './output.js';

export function addStatusCommand(host: CommandHost): void {
  host.add('status', 'show what the worker is doing', ['status', 'status --json']).action(
    action(async (context) => {
      context.print(await context.withClient((client) => client.status()), statusText);
    }),
  );
}

function statusText(status: WorkerStatus): string {
  const { memory, cpu, queue, queues, gpus, shards, addresses, host } = status;
  // Of which older workers do not speak.
  const { energy = null, powerCap = null, jetson = null } = status;
  const listens = Object.entries(addresses).flatMap(([edge, at]) => (at === null ? [] : [`${at} (${edge})`]));
  const restarts = shards.reduce((sum, shard) => sum + shard.restarts, 0);
  return facts([
    ['worker', `${status.name} ${status.version}, ${status.state}, up ${seconds(status.uptimeS)}`],
    ['listens', listens.length === 0 ? 'on its unix socket only' : listens.join(', ')],
    ['machine', `${Math.round(host.cpuPercent)} % busy, load ${host.loadPerCore.toFixed(2)} per core`],
    ['functions', String(status.functions)],
    [
      'queue',
      `${queue.length} of ${queue.limit}${gpus.length > 0 ? `: ${queues.cpu.length} for the CPU, ${queues.gpu.length} for GPUs` : ''}`,
    ],
    ['cpu', `${cpu.used} of ${cpu.slots} slots`],
    [
      'memory',
      `${memory.totalMb} of ${memory.budgetMb} MiB: ${memory.runningMb} running (${memory.runningContainers} containers), ` +
        `${memory.cachedMb} cached (${memory.cachedContainers})` +
        `${memory.overshootMb > 0 ? `; ${memory.overshootMb} used above that` : ''}`,
    ],
    ...(energy === null ? [] : [['energy', energyText(energy)] as const]),
    ...(powerCap === null ? [] : [['power cap', powerCapText(powerCap)] as const]),
    ['async', asyncText(status.async)],
    ...gpus.map(
      ({ index, present, running, containers, reservedMb, utilization, held }) =>
        [
          `gpu ${index}`,
          present
            ? `${running} running, ${containers} containers, ${reservedMb} MiB, ${Math.round(utilization)} %${held ? ', held' : ''}`
            : 'lost',
        ] as const,
    ),
    ...(jetson === null ? [] : [['board', boardText(jetson)] as const]),
    ...Object.entries(status.backends).map(([name, counters]) => [name, backendText(counters)] as const),
    [
      'shards',
      `${shards.map(({ id, state }) => `${id} ${state}`).join(', ')}${restarts > 0 ? `; ${restarts} restarts` : ''}`,
    ],
    // Most are zero on a healthy worker; --json has them all.
    ...Object.entries(status.counters)
      .filter(([, count]) => count !== 0)
      .map(([name, count]) => [name, String(count)] as const),
  ]);
}

function energyText({ source, ageMs, stale, power, joules: took }: EnergyStatus): string {
  if (ageMs === null) return `nothing was read from ${source} yet`;
  const { watts, idleWatts, wattsPerCore } = power;
  const now = stale ? `nothing new for ${seconds(ageMs / 1000)}` : `${watts.toFixed(1)} W`;
  const known = [
    idleWatts === 0 ? '' : `, ${idleWatts.toFixed(1)} W idle`,
    wattsPerCore === 0 ? '' : `, ${wattsPerCore.toFixed(1)} W a busy core`,
  ].join('');
  return (
    `${now} (${source})${known}; of ${joules(took.measured)}: ` +
    `${joules(took.invocations)} by invocations, ${joules(took.idle)} idle, ${joules(took.other)} other`
  );
}

function powerCapText({ capWatts, projectedWatts, held, holds, forced }: PowerCapStatus): string {
  const now = held ? 'invocations wait for it' : 'nothing waits for it';
  return `${capWatts} W, ${projectedWatts.toFixed(1)} W expected: ${now}; ${holds} holds, ${forced} as long as they may be`;
}

function boardText({ board, source, gpu, power, stale, throttledBy }: JetsonStatus): string {
  const model = board?.model ?? 'recorded';
  const load = gpu.utilizationPercent === null ? 'unknown' : `${Math.round(gpu.utilizationPercent)} %`;
  const watts =
    power.totalMw === null ? '' : `, ${power.estimated ? 'about ' : ''}${(power.totalMw / 1000).toFixed(1)} W`;
  const throttled = throttledBy.length === 0 ? '' : `, held back by ${throttledBy.join(', ')}`;
  return `${model} (${source}): GPU ${load}${stale ? ' (stale)' : ''}${watts}${throttled}`;
}

function asyncText({ waiting, running, deadLetters, schedules, oldestAgeMs }: AsyncCounters): string {
  const oldest = oldestAgeMs > 0 ? `, the oldest for ${seconds(oldestAgeMs / 1000)}` : '';
  return `${waiting} waiting, ${running} running${oldest}; ${deadLetters} dead letters, ${schedules} schedules`;
}

/** What it counts beside that is in --json and the metrics. */
function backendText({
  containers = 0,
  creations = 0,
  creationsFailed = 0,
  avoided = 0,
}: Record<string, number>): string {
  const failed = creationsFailed === 0 ? '' : `, ${creationsFailed} failed`;
  return `${containers} containers, ${creations} begun${failed}${avoided === 0 ? '' : '; avoided after failures in a row'}`;
}
