import { ERROR_CLASSES } from '../../core/errors.js';
import { functionLabels, type MetricDefinition, type Sample } from './metric.js';
import { BUCKETS, bucketBound, type FunctionSeries, type Histogram, STATES } from './series.js';

/** Of finished invocations, by function. The version of what is counted together, as `other`, is empty; so is the name of functions that do not exist. */

const FUNCTION_LABELS = ['function', 'version'] as const;

/** Invocations of functions that do not exist have an end, and no phases. */
const known = (series: readonly FunctionSeries[]): FunctionSeries[] => series.filter(({ name }) => name !== '');

export const INVOCATION_METRICS: readonly MetricDefinition[] = [
  {
    name: 'iluvatar_invocations_total',
    kind: 'counter',
    help: 'Finished invocations by error class (ok = none) and state of the container they were given (none = they never had one)',
    labels: [...FUNCTION_LABELS, 'class', 'state'],
    samples: ({ series }) => series.flatMap(endSamples),
  },
  perFunction(
    'iluvatar_invocation_retries_total',
    'Further attempts after platform failures',
    ({ retries }) => retries,
  ),
  perFunction(
    'iluvatar_invocation_throttled_seconds_total',
    'Time that CPU quotas held invocations back, summed over the cores',
    ({ throttled }) => throttled / 1e6,
  ),
  perFunction(
    'iluvatar_function_energy_joules_total',
    'Energy that invocations took of the machine, above what it takes when idle; 0 where none is read',
    ({ energyUj }) => energyUj / 1e6,
  ),
  histogram('queue', 'Time from acceptance to leaving the queue'),
  histogram('start', 'Time waiting for a container to be made; invocations that found one ready are not in it'),
  histogram('run', 'Time inside the function, measured by its agent'),
  histogram(
    'overhead',
    'Time from giving a container the arguments to having its answer, less the time inside the function',
  ),
];

function perFunction(name: string, help: string, value: (series: FunctionSeries) => number): MetricDefinition {
  return {
    name,
    kind: 'counter',
    help,
    labels: FUNCTION_LABELS,
    samples: ({ series }) => known(series).map((one) => ({ labels: functionLabels(one), value: value(one) })),
  };
}

function histogram(phase: 'queue' | 'start' | 'run' | 'overhead', help: string): MetricDefinition {
  const name = `iluvatar_invocation_${phase}_seconds`;
  return {
    name,
    kind: 'histogram',
    help,
    labels: FUNCTION_LABELS,
    samples: ({ series }) => known(series).flatMap((one) => histogramSamples(name, functionLabels(one), one[phase])),
  };
}

const BOUNDS = Array.from({ length: BUCKETS }, (_, index) => ({ le: bucketBound(index) }));

function endSamples(series: FunctionSeries): Sample[] {
  const samples: Sample[] = [];
  for (const [at, value] of series.ends.entries()) {
    if (value === 0) continue;
    const errorClass = ERROR_CLASSES[Math.floor(at / STATES.length)] as string;
    const state = STATES[at % STATES.length] as string;
    samples.push({ labels: { ...functionLabels(series), class: errorClass, state }, value });
  }
  return samples;
}

function histogramSamples(name: string, sharedLabels: Record<string, string>, histogram: Histogram): Sample[] {
  const samples: Sample[] = [];
  let below = 0;
  for (let index = 0; index < BUCKETS; index++) {
    below += histogram.buckets[index] as number;
    samples.push({ metricName: `${name}_bucket`, sharedLabels, labels: BOUNDS[index] as { le: string }, value: below });
  }
  samples.push({ metricName: `${name}_sum`, sharedLabels, value: histogram.sum / 1e6 });
  samples.push({ metricName: `${name}_count`, sharedLabels, value: below });
  return samples;
}
