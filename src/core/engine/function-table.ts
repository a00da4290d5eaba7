import { IluvatarError } from '../errors.js';
import { type Device, type FunctionSpec, functionKey, isFunctionName } from '../function.js';
import type { CpuSlots } from '../resources/cpu-slots.js';
import { toMilliSlots } from '../resources/cpu-slots.js';
import { FunctionEntry } from './function-entry.js';
import { FunctionLane } from './function-lane.js';
import type { EngineOptions } from './options.js';
import type { Scheduler } from './scheduler.js';

/**
 * The functions of an engine. What could never run here is refused at registration: queued, it would stand at the head for ever.
 */
export class FunctionTable {
  readonly #o: EngineOptions;
  readonly #slots: CpuSlots;
  readonly #schedulers: Readonly<Record<Device, Scheduler>>;
  /** MiB of device memory for a container whose function names none. */
  readonly #gpuShareMb: number;
  readonly #functions = new Map<string, FunctionEntry>();
  /** Unregistered, with containers that are not gone yet. */
  readonly #leaving = new Set<FunctionEntry>();
  readonly #freeIndexes: number[] = [];
  #indexes = 0;

  constructor(
    options: EngineOptions,
    slots: CpuSlots,
    schedulers: Readonly<Record<Device, Scheduler>>,
    gpuShareMb: number,
  ) {
    this.#o = options;
    this.#slots = slots;
    this.#schedulers = schedulers;
    this.#gpuShareMb = gpuShareMb;
  }

  get size(): number {
    return this.#functions.size;
  }

  /** Registered ones, and those of which something is left. */
  all(): FunctionEntry[] {
    return [...this.#functions.values(), ...this.#leaving];
  }

  add(spec: FunctionSpec): FunctionEntry {
    this.#check(spec);
    const key = functionKey(spec.name, spec.version);
    if (this.#functions.has(key)) throw new IluvatarError('conflict', `${key} is registered already`);
    const there = spec.backends.filter((name) => this.#o.backends.includes(name));
    if (there.length === 0) throw this.#unknown('backend', spec.backends, this.#o.backends);
    const present: Device[] = this.#o.gpu.count > 0 ? ['cpu', 'gpu'] : ['cpu'];
    const devices = spec.devices.filter((device) => present.includes(device));
    if (devices.length === 0) throw this.#unknown('device', spec.devices, present);
    const index = this.#freeIndexes.pop() ?? this.#indexes++;
    const { create } = this.#o;
    const backends = (spec.fallBack ?? create.fallBack) ? there : there.slice(0, 1);
    const fn = new FunctionEntry(spec, key, index, backends, spec.createAttempts ?? create.attempts, devices);
    fn.lanes = devices.map((device) => {
      const deviceMb = device === 'cpu' ? 0 : (spec.gpuMemoryMb ?? this.#gpuShareMb);
      const hostMb = this.#o.gpu.sharedMemory ? spec.memoryMb + deviceMb : spec.memoryMb;
      return new FunctionLane(fn, device, this.#schedulers[device], deviceMb, hostMb);
    });
    assertFits(fn, this.#o.memoryMb);
    this.#functions.set(key, fn);
    return fn;
  }

  /** Throws `invalid` when a registered function would not fit into so much memory: queued, it would stand at the head for ever. */
  assertFit(memoryMb: number): void {
    for (const fn of this.#functions.values()) assertFits(fn, memoryMb);
  }

  remove(key: string): FunctionEntry | null {
    const fn = this.#functions.get(key);
    if (fn === undefined) return null;
    fn.removed = true;
    this.#functions.delete(key);
    this.#leaving.add(fn);
    return fn;
  }

  /** Nothing of an unregistered function is left. */
  release(fn: FunctionEntry): void {
    if (this.#leaving.delete(fn)) this.#freeIndexes.push(fn.index);
  }

  #check(spec: FunctionSpec): void {
    for (const text of [spec.name, spec.version]) {
      if (!isFunctionName(text)) throw new IluvatarError('invalid', `"${text}" is not a function name or version`);
    }
    const key = functionKey(spec.name, spec.version);
    positive(key, 'memoryMb', spec.memoryMb);
    positive(key, 'cpus', spec.cpus);
    positive(key, 'timeoutMs', spec.timeoutMs);
    whole(key, 'concurrency', spec.concurrency, 1);
    whole(key, 'retries', spec.retries, 0);
    if (spec.createAttempts != null) whole(key, 'createAttempts', spec.createAttempts, 1);
    if (spec.maxContainers !== null) whole(key, 'maxContainers', spec.maxContainers, 1);
    if (spec.queueLimit !== null) whole(key, 'queueLimit', spec.queueLimit, 0);
    if (spec.needsAddress === true && this.#o.addresses < 1) {
      throw new IluvatarError('invalid', `${key} needs a network address and this worker has none for containers`);
    }
    if (spec.gpuMemoryMb != null) this.#checkGpuMemory(key, spec.gpuMemoryMb);
    if (!this.#slots.canEverHold(toMilliSlots(spec.cpus))) {
      const text = `${key} needs ${spec.cpus} CPU slots and this worker has ${this.#slots.total}`;
      throw new IluvatarError('invalid', text);
    }
  }

  #checkGpuMemory(key: string, mb: number): void {
    positive(key, 'gpuMemoryMb', mb);
    const { count, memoryMb } = this.#o.gpu;
    if (count === 0 || mb <= memoryMb) return;
    throw new IluvatarError('invalid', `${key} needs ${mb} MiB of GPU memory and a GPU here has ${memoryMb} MiB`);
  }

  #unknown(what: string, wanted: readonly string[], had: readonly string[]): IluvatarError {
    const text = `no ${what} of ${wanted.join(', ') || '(none named)'} is on this worker; it has: ${had.join(', ')}`;
    return new IluvatarError('invalid', text);
  }
}

function assertFits({ key, spec, lanes }: FunctionEntry, memoryMb: number): void {
  for (const { hostMb, deviceMb } of lanes) {
    if (hostMb <= memoryMb) continue;
    const shared = hostMb > spec.memoryMb ? ` (${deviceMb} of them on the GPU, whose memory is the host’s)` : '';
    const text = `${key} needs ${hostMb} MiB${shared} and this worker has ${memoryMb} MiB for containers`;
    throw new IluvatarError('invalid', text);
  }
}

function positive(key: string, what: string, value: number): void {
  if (Number.isFinite(value) && value > 0) return;
  throw new IluvatarError('invalid', `${key}: ${what} must be above 0, not ${value}`);
}

function whole(key: string, what: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new IluvatarError('invalid', `${key}: ${what} must be a whole number from ${least} up, not ${value}`);
}
