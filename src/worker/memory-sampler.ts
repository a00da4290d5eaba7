import type { Backend, BackendContainer } from '../backends/backend.js';
import type { Container } from '../core/pool/container.js';
import type { ContainerDriver } from './container-driver.js';
import type { BackgroundTask } from './supervision/background-task.js';

const BYTES_PER_MB = 1024 * 1024;

/**
 * Measures containers while they run and once after, never while they idle: it looks only at the driver's set of containers that ran since they
 * were last measured, and has no timer while that set is empty.
 */
export class MemorySampler {
  readonly #driver: ContainerDriver;
  /** 0 = never; ms. */
  periodMs: number;
  readonly #task: BackgroundTask;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;
  /** Memory reads since the start: shown in status, zero growth for idle containers. */
  reads = 0;

  constructor(driver: ContainerDriver, periodMs: number, task: BackgroundTask) {
    this.#driver = driver;
    this.#task = task;
    this.periodMs = periodMs;
  }

  /** To be called when something has run. */
  arm(): void {
    if (this.#timer !== null || this.#stopped || this.periodMs === 0 || this.#driver.unmeasured.size === 0) return;
    this.#timer = setTimeout(() => void this.#sampleAndArm(), this.periodMs + this.#task.pauseMs);
    this.#timer.unref();
  }

  async sample(): Promise<void> {
    const batches = new Map<Backend, { containers: Container[]; handles: BackendContainer[] }>();
    for (const container of this.#driver.unmeasured) {
      const found = this.#driver.backendOf(container);
      // Still running: measured now and again later. Idle: this is its one reading after the run.
      if (container.active === 0) this.#driver.unmeasured.delete(container);
      if (found === null) continue;
      const batch = batches.get(found.backend) ?? { containers: [], handles: [] };
      batches.set(found.backend, batch);
      batch.containers.push(container);
      batch.handles.push(found.handle);
    }
    for (const [backend, { containers, handles }] of batches) {
      this.reads += handles.length;
      const readings = await backend.memory(handles);
      containers.forEach((container, i) => {
        const { usedBytes = 0, cacheBytes = 0 } = readings[i] ?? {};
        if (usedBytes > 0) this.#driver.engine.measured(container, usedBytes / BYTES_PER_MB, cacheBytes / BYTES_PER_MB);
      });
    }
  }

  async #sampleAndArm(): Promise<void> {
    // A backend that fails leaves its containers to their next run; the sampler itself goes on.
    await this.#task.runAsync(() => this.sample());
    this.#timer = null;
    this.arm();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
