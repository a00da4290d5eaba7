import { ENERGY_SOURCES } from '../../config/energy-source-names.js';
import type { WorkerConfig } from '../../config/schema.js';
import { IluvatarError } from '../../core/errors.js';
import type { EnergySourceName } from '../../telemetry/energy/energy-source.js';
import type { EnergyMonitor, ProbeTotals } from '../../telemetry/energy/monitor/energy-monitor.js';
import type { Probe } from '../../telemetry/energy/monitor/probe.js';
import { action, type CommandHost } from '../command-host.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit-codes.js';
import { interruptible, progressLine } from '../load/interruption.js';
import { seconds, table } from '../output.js';
import { collect, parseDuration, parseInteger } from '../parse.js';
import { choice } from '../sim/trace-options.js';

/** `iluvatar energy monitor`: energy, and what belongs to it, into a table, beside whatever runs. */

interface Options {
  out: string;
  source?: string[];
  periodMs?: number;
  duration?: number;
  raplFreqMs?: number;
  ipmiFreqMs?: number;
  perfFreqMs?: number;
  tegraFreqMs?: number;
  processFreqMs?: number;
  kernelCpuFrequenciesFreqMs?: number;
  ipmiPassFile?: string;
  ipmiIpAddr?: string;
  pid?: number;
  tree?: boolean;
  frequencies?: boolean;
}

const PERIOD = 'period of that source, which is read then; ms, 0 = not';
const SHORTEST_MS = 10;

export function addEnergyMonitorCommand(host: CommandHost): void {
  host
    .add('monitor', 'write what this machine draws into a table, until it is interrupted or its time is over', [
      'energy monitor --out power.csv',
      'energy monitor --out power.parquet --source rapl,ipmi --duration 10m',
      'energy monitor --out power.jsonl --rapl-freq-ms 100 --ipmi-freq-ms 1000 --pid 4711 --tree',
    ])
    .requiredOption('--out <file>', 'the table: .csv, .jsonl or .parquet')
    .option(
      '--source <names>',
      'what is read, comma-separated, as `energy sources` names them; may be repeated (default: energy.source, else the first that can be read)',
      collect,
    )
    .option('--period-ms <ms>', 'how often (default: energy.periodMs)', parseInteger)
    .option('--duration <duration>', 'how long (default: until interrupted)', parseDuration)
    .option('--rapl-freq-ms <ms>', PERIOD, parseInteger)
    .option('--ipmi-freq-ms <ms>', PERIOD, parseInteger)
    .option('--perf-freq-ms <ms>', PERIOD, parseInteger)
    .option('--tegra-freq-ms <ms>', PERIOD, parseInteger)
    .option('--ipmi-pass-file <file>', 'sets energy.ipmi.passwordFile')
    .option('--ipmi-ip-addr <address>', 'sets energy.ipmi.address')
    .option('--pid <pid>', 'CPU time of this process, too', parseInteger)
    .option('--tree', 'of that process and all its descendants')
    .option('--process-freq-ms <ms>', 'how often, if not as everything else', parseInteger)
    .option('--frequencies', 'frequencies of the CPUs, too')
    .option('--kernel-cpu-frequencies-freq-ms <ms>', 'the same, and how often', parseInteger)
    .action(action((context, options: Options) => monitor(context, options)));
}

async function monitor(context: Context, options: Options): Promise<void> {
  const [{ energyTable }, { openSink }, { EnergyMonitor }, { EnergySourceError }] = await Promise.all([
    import('../../results/energy-row.js'),
    import('../../tables/open-sink.js'),
    import('../../telemetry/energy/monitor/energy-monitor.js'),
    import('../../telemetry/energy/energy-source.js'),
  ]);
  const { config } = await context
    .withFlags({ 'energy.ipmi.passwordFile': options.ipmiPassFile, 'energy.ipmi.address': options.ipmiIpAddr })
    .load();
  try {
    const probes = await probesOf(context, options, config);
    let running: EnergyMonitor | null = null;
    await interruptible(context, async ({ stop }) => {
      const ends =
        options.duration === undefined ? stop : AbortSignal.any([stop, AbortSignal.timeout(options.duration)]);
      running = new EnergyMonitor({ probes, openSink: () => openSink(options.out, energyTable), signal: ends });
      const clear = showProgress(context, running);
      try {
        await running.run();
      } finally {
        clear();
      }
    });
    const { rows, totals } = summaryOf(running);
    context.print({ file: options.out, rows, totals }, () => summaryText(options.out, rows, totals));
  } catch (error) {
    throw error instanceof EnergySourceError ? new IluvatarError('unavailable', error.message) : error;
  }
}

function summaryOf(monitor: EnergyMonitor | null): { rows: number; totals: readonly ProbeTotals[] } {
  return { rows: monitor?.rows ?? 0, totals: monitor?.totals() ?? [] };
}

async function probesOf(context: Context, options: Options, config: WorkerConfig): Promise<Probe[]> {
  const [{ makeEnergySource }, { SourceProbe }, { ProcessProbe }, { FrequencyProbe }] = await Promise.all([
    import('../../telemetry/energy/open-source.js'),
    import('../../telemetry/energy/monitor/source-probe.js'),
    import('../../telemetry/energy/monitor/process-probe.js'),
    import('../../telemetry/energy/monitor/frequency-probe.js'),
  ]);
  const general = atLeast('--period-ms', options.periodMs ?? config.energy.periodMs);
  const probes: Probe[] = [];
  for (const [name, periodMs] of await periodsOf(context, options, config, general)) {
    // A source that a program writes is written in this period.
    const source = makeEnergySource(name, { ...config, energy: { ...config.energy, periodMs } });
    probes.push(new SourceProbe(source, periodMs));
  }
  const { pid, tree = false, frequencies, kernelCpuFrequenciesFreqMs: frequencyMs = 0 } = options;
  const { root } = config.energy;
  if (pid !== undefined) {
    const periodMs = atLeast('--process-freq-ms', options.processFreqMs ?? general);
    probes.push(new ProcessProbe({ pid, tree, periodMs, root }));
  } else if (tree || options.processFreqMs !== undefined) {
    throw new UsageError('--tree and --process-freq-ms are of the process that --pid names');
  }
  if (frequencies === true || frequencyMs > 0) {
    const periodMs = atLeast('--kernel-cpu-frequencies-freq-ms', frequencyMs > 0 ? frequencyMs : general);
    probes.push(new FrequencyProbe({ root, periodMs }));
  }
  if (probes.length === 0) throw new UsageError('there is nothing to read: say --source, --pid or --frequencies');
  return probes;
}

/** Sources and how often each is read. What is named by a flag of its own has the period of that. */
async function periodsOf(
  context: Context,
  options: Options,
  config: WorkerConfig,
  general: number,
): Promise<Map<EnergySourceName, number>> {
  const { openEnergySource } = await import('../../telemetry/energy/open-source.js');
  const own: [EnergySourceName, string, number | undefined][] = [
    ['rapl', '--rapl-freq-ms', options.raplFreqMs],
    ['ipmi', '--ipmi-freq-ms', options.ipmiFreqMs],
    ['perf', '--perf-freq-ms', options.perfFreqMs],
    ['tegrastats', '--tegra-freq-ms', options.tegraFreqMs],
  ];
  const said = own.filter(([, , ms]) => ms !== undefined);
  const names = options.source?.flatMap((list) => list.split(',')).map((name) => name.trim());
  const others = options.pid !== undefined || options.frequencies === true;
  const configured = config.energy.source === 'none' ? (others ? 'none' : 'auto') : config.energy.source;
  const periods = new Map<EnergySourceName, number>();
  for (const given of names ?? (said.length > 0 ? [] : [configured])) {
    const name = choice('--source', ['none', 'auto', ...ENERGY_SOURCES], given);
    if (name === 'none') continue;
    if (name !== 'auto') {
      periods.set(name, general);
      continue;
    }
    const log = {
      info: (fields: object) => context.note(`energy is read from ${(fields as { source: string }).source}`),
    };
    const source = await openEnergySource({ ...config, energy: { ...config.energy, source: 'auto' } }, log);
    // It is opened again when everything is: nothing shall run meanwhile.
    await source?.close();
    if (source !== null) periods.set(source.name, general);
  }
  for (const [name, flag, ms = 0] of said) {
    if (ms > 0) periods.set(name, atLeast(flag, ms));
    else periods.delete(name);
  }
  return periods;
}

function atLeast(flag: string, ms: number): number {
  if (ms < SHORTEST_MS) throw new UsageError(`${flag} must be at least ${SHORTEST_MS}`);
  return ms;
}

function showProgress(context: Context, monitor: EnergyMonitor): () => void {
  const line = progressLine(context);
  const beganMs = performance.now();
  const timer = setInterval(() => {
    line.show(() => {
      const drawn = monitor
        .totals()
        .flatMap(({ source, joules, failures }) => [
          ...(joules === null ? [] : [`${source} ${joules.toFixed(1)} J`]),
          ...(failures === 0 ? [] : [`${source} ${failures} failed`]),
        ]);
      return [seconds((performance.now() - beganMs) / 1000), `${monitor.rows} rows`, ...drawn].join(', ');
    });
  }, 500);
  return () => {
    clearInterval(timer);
    line.clear();
  };
}

function summaryText(file: string, rows: number, totals: readonly ProbeTotals[]): string {
  const shown = table(
    totals,
    [
      { title: 'SOURCE', text: ({ source }) => source },
      { title: 'READINGS', right: true, text: ({ readings }) => String(readings) },
      { title: 'FAILED', right: true, text: ({ failures }) => String(failures) },
      { title: 'JOULES', right: true, text: ({ joules }) => joules?.toFixed(3) ?? '–' },
      {
        title: 'MEAN W',
        right: true,
        text: (one) => (one.joules === null || one.seconds <= 0 ? '–' : (one.joules / one.seconds).toFixed(2)),
      },
      { title: 'LAST NOTE', text: ({ lastNote }) => lastNote ?? '' },
    ],
    '',
  );
  return `${shown}${rows} rows in ${file}\n`;
}
