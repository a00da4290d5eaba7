import { Characteristic, type DeviceStats, type FunctionStats } from './stats.js';

/** What was learnt of a function, as plain data, to be kept and learnt again. Each characteristic is [count, least, greatest, average, latest]. */
export interface StatsSnapshot {
  readonly function: CharacteristicSnapshots;
  readonly cpu: CharacteristicSnapshots;
  readonly gpu: CharacteristicSnapshots;
}

type CharacteristicSnapshots = Readonly<Record<string, readonly number[]>>;

/** Those never seen are left out. */
export function snapshotOf(stats: FunctionStats): StatsSnapshot {
  return { function: written(stats), cpu: written(stats.cpu), gpu: written(stats.gpu) };
}

/** Takes the place of what is there. What a snapshot names that there is no more is passed over. */
export function recall(stats: FunctionStats, snapshot: StatsSnapshot): void {
  read(stats, snapshot.function);
  read(stats.cpu, snapshot.cpu);
  read(stats.gpu, snapshot.gpu);
}

function written(stats: FunctionStats | DeviceStats): CharacteristicSnapshots {
  const seen: Record<string, readonly number[]> = {};
  for (const [name, { count, min, max, average, latest }] of characteristicsIn(stats)) {
    if (count > 0) seen[name] = [count, min, max, average, latest];
  }
  return seen;
}

function read(stats: FunctionStats | DeviceStats, snapshots: CharacteristicSnapshots): void {
  for (const [name, characteristic] of characteristicsIn(stats)) {
    const values = snapshots[name];
    if (values === undefined || values.length !== 5 || !values.every(Number.isFinite)) continue;
    const [count, min, max, average, latest] = values as [number, number, number, number, number];
    Object.assign(characteristic, { count, min, max, average, latest });
  }
}

function characteristicsIn(stats: FunctionStats | DeviceStats): [string, Characteristic][] {
  return Object.entries(stats).filter((entry): entry is [string, Characteristic] => entry[1] instanceof Characteristic);
}
