import type { Characteristics } from '../config/api.js';
import type { TimingsInput } from '../config/timings.js';
import type { Device, DeviceTimings, FunctionRecord, FunctionTimings } from '../core/index.js';

/** What is known of a function, between the engine's units and those of the API. */

export function timingsOf({ CPU, GPU }: TimingsInput): FunctionTimings {
  return {
    ...(CPU === undefined ? {} : { cpu: deviceTimings(CPU) }),
    ...(GPU === undefined ? {} : { gpu: deviceTimings(GPU) }),
  };
}

export function characteristicsOf({ spec, stats }: FunctionRecord): Characteristics {
  const ms = (us: number): number => us / 1000;
  const devices = spec.devices.map((device: Device) => {
    const { warm, prewarm, cold, exec, e2e, estimateError } = stats.of(device);
    return {
      device,
      invocations: e2e.count,
      warmMs: ms(warm.average),
      prewarmMs: ms(prewarm.average),
      coldMs: ms(cold.average),
      runMs: ms(exec.average),
      endToEndMs: ms(e2e.average),
      estimateErrorMs: ms(estimateError.average),
    };
  });
  return {
    interArrivalMs: ms(stats.interArrival.average),
    memoryMb: stats.memory.average,
    pageCacheMb: stats.pageCache.average,
    devices,
  };
}

function deviceTimings(given: NonNullable<TimingsInput['CPU']>): DeviceTimings {
  const us = (seconds: number): number => Math.round(seconds * 1e6);
  return {
    coldRunUs: given.cold_results_sec.map(us),
    warmRunUs: given.warm_results_sec.map(us),
    coldTotalUs: given.cold_worker_duration_us,
    warmTotalUs: given.warm_worker_duration_us,
  };
}
