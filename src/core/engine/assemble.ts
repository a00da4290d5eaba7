import { CreationPolicy } from '../creation/creation-policy.js';
import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import { ContainerPool } from '../pool/container-pool.js';
import { Addresses } from '../resources/addresses.js';
import { CpuSlots } from '../resources/cpu-slots.js';
import { CpuDevice } from '../resources/device-set.js';
import { GpuDevices } from '../resources/gpu-devices.js';
import { MemoryBudget } from '../resources/memory-budget.js';
import { Oversubscription } from '../resources/oversubscription.js';
import { PowerCap } from '../resources/power-cap.js';
import { Admission } from './admission.js';
import { Adoption } from './adoption.js';
import { ContainerSupply } from './container-supply.js';
import { Counters } from './counters.js';
import { DeadlineWheel } from './deadline-wheel.js';
import { DeviceEvents } from './device-events.js';
import { EngineLoads } from './device-loads.js';
import { DueWork } from './due-work.js';
import { FunctionTable } from './function-table.js';
import type { InvocationEntry } from './invocation-entry.js';
import { MemoryReadings } from './memory-readings.js';
import type { EngineOptions } from './options.js';
import { CreationDraws } from './power-demand.js';
import { Prewarmer } from './prewarmer.js';
import { Pump } from './pump.js';
import { Scheduler } from './scheduler.js';
import { Settlement } from './settlement.js';
import type { EngineParts } from './status.js';
import { Termination } from './termination.js';

/** Puts the parts of an engine together, in the order in which they need each other. */

export interface AssembledEngine extends EngineParts {
  readonly wheel: DeadlineWheel;
  readonly settlement: Settlement;
  readonly supply: ContainerSupply;
  readonly pump: Pump;
  readonly schedulers: Readonly<Record<Device, Scheduler>>;
  readonly admission: Admission;
  readonly adoption: Adoption;
  readonly prewarmer: Prewarmer;
  readonly termination: Termination;
  readonly functions: FunctionTable;
  readonly loads: EngineLoads;
  readonly due: DueWork;
  readonly deviceEvents: DeviceEvents;
  readonly memory: MemoryReadings;
  /** null = CPU slots do not follow the machine's load. */
  readonly oversubscription: Oversubscription | null;
  /** Told of each arrival. */
  readonly arrived: ((fn: FunctionRecord, now: number) => void)[];
}

export function assembleEngine(given: EngineOptions): AssembledEngine {
  // The engine's own, since some of them change.
  const options = { ...given };
  const { port, log, queues } = options;
  const now = (): number => options.clock.now();
  const counters = new Counters();
  const totals = { queued: 0 };
  const wheel = new DeadlineWheel();
  const pump = new Pump();
  const slots = new CpuSlots(options.cpuSlots);
  const gpus = new GpuDevices(options.gpu);
  const addresses = new Addresses(options.addresses);
  const power = options.power === null ? null : new PowerCap(options.power);
  const creations = power === null ? null : new CreationDraws(power, now);
  const pool = new ContainerPool(new MemoryBudget(options.memoryMb), gpus, addresses, options.eviction, creations);
  const oversubscription =
    options.oversubscription === null ? null : new Oversubscription(slots, options.oversubscription);
  const settlement = new Settlement(wheel, counters, options.dispatch);
  const supply = new ContainerSupply(pool, port, log, counters, options);
  const creation = new CreationPolicy(options.create, options.backends, now);
  const refuse = (invocation: InvocationEntry): void => {
    termination.withdraw(invocation);
    settlement.fail(invocation, 'overloaded', supply.withoutAddress, null, now());
  };
  const shared = { pool, slots, power, port, supply, creation, counters, totals, options, pump, now, refuse };
  // The GPUs are served first: there are fewer of them, and what runs on one needs CPU slots too.
  const gpu = new Scheduler({ ...shared, device: 'gpu', devices: gpus, queue: queues.gpu });
  const cpu = new Scheduler({ ...shared, device: 'cpu', devices: new CpuDevice(), queue: queues.cpu });
  const schedulers = { cpu, gpu };
  const functions = new FunctionTable(options, slots, schedulers, gpus.shareMb);
  const loads = new EngineLoads(schedulers, slots, now);
  const arrived: AssembledEngine['arrived'] = [];
  const admission = new Admission(options, wheel, settlement, counters, loads, totals, arrived);
  const adoption = new Adoption(pool, supply, counters);
  const prewarmer = new Prewarmer(supply, () => pool.leavingMb);
  pump.before = () => supply.tellWaiting();
  pump.after = (memoryIsAwaited) => prewarmer.serve(memoryIsAwaited);
  const termination = new Termination(supply, settlement, prewarmer, pool, creation, counters);
  const due = new DueWork(options, wheel, settlement, pool, supply, prewarmer, creation, termination, counters, power);
  const memory = new MemoryReadings(pool, supply, counters);
  const deviceEvents = new DeviceEvents(pool, supply, termination, counters, log);
  return {
    options,
    schedulers,
    pool,
    slots,
    power,
    creation,
    counters,
    totals,
    wheel,
    settlement,
    supply,
    pump,
    admission,
    adoption,
    prewarmer,
    termination,
    functions,
    loads,
    due,
    deviceEvents,
    memory,
    oversubscription,
    arrived,
  };
}
