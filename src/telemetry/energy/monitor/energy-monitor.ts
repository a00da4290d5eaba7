import { setTimeout as sleep } from 'node:timers/promises';
import type { EnergyRow } from '../../../results/energy-row.js';
import type { RowSink } from '../../../tables/sink.js';
import { WallClock } from '../../tracing/wall-clock.js';
import type { Probe, ProbeReading, ProbeValue } from './probe.js';

/**
 * Reads several things, each in its own period and none waiting for another, and writes what they say as rows of one table. What fails meanwhile is a row with nothing but a note, and is tried again
 * with the next.
 */
export interface EnergyMonitorOptions {
  readonly probes: readonly Probe[];
  /** Opens the table, once everything can be read: an older one shall not be lost for nothing. The monitor ends it. */
  readonly openSink: () => Promise<RowSink<EnergyRow>>;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** What came of one probe. */
export interface ProbeTotals {
  readonly source: string;
  /** Readings, and times that there was none. */
  readonly readings: number;
  readonly failures: number;
  /** Of its total; null = it is none of energy, or was never read. */
  readonly joules: number | null;
  /** Between its first and its last reading. */
  readonly seconds: number;
  readonly lastNote: string | null;
}

interface Watch {
  readonly probe: Probe;
  readings: number;
  failures: number;
  firstUs: number;
  lastUs: number;
  firstJoules: number | null;
  joules: number | null;
  lastNote: string | null;
}

export class EnergyMonitor {
  rows = 0;
  readonly #options: EnergyMonitorOptions;
  readonly #watches: Watch[];
  readonly #wall = new WallClock();
  #sink: RowSink<EnergyRow> | null = null;
  /** CLOCK_MONOTONIC at 0 of `performance.now()`, µs. */
  readonly #monotonicOriginUs = Number(process.hrtime.bigint() / 1000n) - performance.now() * 1000;

  constructor(options: EnergyMonitorOptions) {
    this.#options = options;
    this.#watches = options.probes.map((probe) => ({
      probe,
      readings: 0,
      failures: 0,
      firstUs: 0,
      lastUs: 0,
      firstJoules: null,
      joules: null,
      lastNote: null,
    }));
  }

  /** Until it is aborted. Rejects when a probe cannot be opened, or the table not be written; nothing that it started runs then. */
  async run(): Promise<void> {
    const { probes, signal } = this.#options;
    const ended = new AbortController();
    const stop = AbortSignal.any([signal, ended.signal]);
    try {
      const opened = await Promise.allSettled(probes.map((probe) => probe.open()));
      const failure = opened.find((result) => result.status === 'rejected');
      if (failure !== undefined) throw failure.reason;
      this.#sink = await this.#options.openSink();
      await Promise.all(this.#watches.map((watch) => this.#watch(watch, stop).finally(() => ended.abort())));
    } finally {
      ended.abort();
      await Promise.all(probes.map((probe) => probe.close()));
      await this.#sink?.end();
    }
  }

  totals(): ProbeTotals[] {
    return this.#watches.map(({ probe, readings, failures, firstUs, lastUs, firstJoules, joules, lastNote }) => ({
      source: probe.source,
      readings,
      failures,
      joules: joules === null || firstJoules === null ? null : joules - firstJoules,
      seconds: (lastUs - firstUs) / 1e6,
      lastNote,
    }));
  }

  async #watch(watch: Watch, stop: AbortSignal): Promise<void> {
    const { probe } = watch;
    let dueMs = performance.now();
    while (!stop.aborted) {
      await this.#read(watch, stop);
      const now = performance.now();
      dueMs += probe.periodMs;
      // One that takes longer than its period leaves moments out, and does not hurry after them.
      if (dueMs < now) dueMs += Math.ceil((now - dueMs) / probe.periodMs) * probe.periodMs;
      await sleep(dueMs - now, undefined, { signal: stop }).catch(() => {});
    }
  }

  async #read(watch: Watch, stop: AbortSignal): Promise<void> {
    this.#wall.follow();
    let reading: ProbeReading;
    try {
      reading = await watch.probe.read();
    } catch (error) {
      // What is being closed fails, and that is no news.
      if (stop.aborted) return;
      watch.failures++;
      watch.lastNote = (error as Error).message;
      this.#row(watch.probe.source, performance.now() * 1000, { domain: '' }, watch.lastNote);
      return;
    }
    // The same as before, from a source that is renewed less often.
    if (watch.readings > 0 && reading.atUs <= watch.lastUs) return;
    for (const value of reading.values) {
      this.#row(watch.probe.source, reading.atUs, value, '');
      if (value.domain !== '' || value.joules === undefined) continue;
      watch.firstJoules ??= value.joules;
      watch.joules = value.joules;
    }
    if (watch.readings === 0) watch.firstUs = reading.atUs;
    watch.lastUs = reading.atUs;
    watch.readings++;
    await this.#sink?.backlog();
  }

  #row(source: string, atUs: number, value: ProbeValue, note: string): void {
    const whole = (given: number | undefined, scale: number): number =>
      given === undefined || !Number.isFinite(given) ? -1 : Math.round(given * scale);
    this.#sink?.row({
      monotonicUs: Math.round(this.#monotonicOriginUs + atUs),
      unixUs: Math.round(this.#wall.unixUs(atUs)),
      source,
      domain: value.domain,
      energyUj: whole(value.joules, 1e6),
      powerMw: whole(value.watts, 1000),
      estimated: value.estimated === undefined ? -1 : Number(value.estimated),
      cpuUs: whole(value.cpuUs, 1),
      cpuPermille: whole(value.cpuShare, 1000),
      freqKhz: whole(value.freqKhz, 1),
      note,
    });
    this.rows++;
  }
}
