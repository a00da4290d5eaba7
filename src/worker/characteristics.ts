import type { Characteristics } from '../config/api.js';
import type { Device, FunctionRecord } from '../core/index.js';

/** What is known of a function, between the engine's units and those of the API. */

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
