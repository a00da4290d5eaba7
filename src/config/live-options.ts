/**
 * Which options a running worker takes on from a reload; all others need a restart. The one place that says so: reloads go by it, and docs/config.md tells it. What is
 * listed here must be applied in `Shard.configure`; a test changes each of them.
 */
export const LIVE_OPTIONS: ReadonlySet<string> = new Set([
  'cpu.bypassMs',
  'energy.cap.watts',
  'memory.budgetMb',
  'memory.bufferMb',
  'memory.sampleMs',
  'memory.pressure.watch',
  'memory.pressure.checkMs',
  'memory.pressure.stallHigh',
  'memory.pressure.stallLow',
  'memory.pressure.availableLow',
  'memory.pressure.availableHigh',
  'queue.limit',
  'queue.dropAbandoned',
  'limits.memoryMinMb',
  'limits.memoryMaxMb',
  'limits.cpusMax',
  'log.level',
  'log.modules',
  'log.invocations',
  'profiling.enabled',
  'drainMs',
]);

export function isLive(key: string): boolean {
  return LIVE_OPTIONS.has(key);
}
