import { type FunctionGauges, functionLabels, type MetricDefinition, MIB } from './metric.js';

/** Of functions, at this moment. */
export const FUNCTION_METRICS: readonly MetricDefinition[] = [
  gauge('iluvatar_function_queued', 'Queued invocations', (fn) => fn.queued),
  gauge('iluvatar_function_running', 'Running invocations', (fn) => fn.running),
  gauge('iluvatar_function_containers', 'Containers', (fn) => fn.containers),
  gauge('iluvatar_function_memory_bytes', 'Reserved memory per container', (fn) => bytes(fn.memoryMb)),
  gauge(
    'iluvatar_function_memory_used_bytes',
    'Measured memory per container without page cache, a moving average',
    (fn) => bytes(fn.characteristics?.memoryMb),
  ),
  gauge('iluvatar_function_page_cache_bytes', 'Measured page cache per container, a moving average', (fn) =>
    bytes(fn.characteristics?.pageCacheMb),
  ),
];

/** Null = what several functions do not have together: no sample. */
function bytes(mb: number | null | undefined): number | null {
  return mb === null || mb === undefined ? null : mb * MIB;
}

function gauge(name: string, help: string, value: (fn: FunctionGauges) => number | null): MetricDefinition {
  return {
    name,
    kind: 'gauge',
    help,
    labels: ['function', 'version'],
    samples: ({ functions }) =>
      functions.flatMap((fn) => {
        const known = value(fn);
        return known === null ? [] : [{ labels: functionLabels(fn), value: known }];
      }),
  };
}
