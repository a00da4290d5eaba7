import type { JetsonStatus } from '../../config/jetson-api.js';
import type { Field } from './point.js';
import { fraction, whole } from './point.js';

/** What is pushed of the Jetson that a worker runs on: `worker_jetson`. What is not known is left out, since a server would keep a 0 as a value. */
export function jetsonFields({ gpu, memory, power, temperatures, throttledBy, stale }: JetsonStatus): Field[] {
  const known = (name: string, value: number | null): Field[] => (value === null ? [] : [fraction(name, value)]);
  const hottestC = temperatures.reduce<number | null>((most, { tempC }) => Math.max(most ?? tempC, tempC), null);
  return [
    ...known('gpu_util', gpu.utilizationPercent),
    ...known('gpu_freq_mhz', gpu.freqMhz),
    ...known('memory_used_mb', memory.usedMb),
    ...known('power_mw', power.totalMw),
    ...known('hottest_c', hottestC),
    whole('throttled', throttledBy.length),
    whole('stale', stale ? 1 : 0),
  ];
}
