import type { JetsonStatus } from '../../config/jetson-api.js';
import type { JetsonReading } from '../../telemetry/jetson/jetson-reading.js';
import { paint } from '../output.js';

/** How `iluvatar jetson watch` shows a board: a picture that is drawn over and over on a terminal, or one line a reading. */

export interface Watched {
  readonly status: JetsonStatus;
  /** The latest. */
  readonly reading: JetsonReading;
  /** What went wrong last; null = nothing since the latest reading. */
  readonly trouble: string | null;
}

const NAME_WIDTH = 10;
const VALUE_WIDTH = 24;

/** Lines of at most `columns` characters, colours aside. */
export function picture({ status, reading, trouble }: Watched, columns: number): string[] {
  const { board, gpu, memory, power, temperatures, throttledBy, counters, source } = status;
  const bar = (name: string, percent: number | null, value: string): string =>
    `${name.padEnd(NAME_WIDTH)}${gauge(percent, columns - NAME_WIDTH - VALUE_WIDTH - 4)} ${value}`;
  const title = board === null ? 'a recorded board' : board.model;
  const release = board?.l4t == null ? '' : `, L4T ${board.l4t}`;
  const mode = board?.powerMode == null ? '' : `, ${board.powerMode.name ?? `mode ${board.powerMode.id}`}`;
  const lines = [
    paint('bold', cut(`${title}${release}${mode}`, columns)),
    bar('GPU', gpu.utilizationPercent, joined([percentText(gpu.utilizationPercent), mhz(gpu.freqMhz)])),
    bar('memory', share(memory), memoryText(memory)),
    ...reading.cpus.map(({ online, loadPercent, freqMhz }, core) =>
      bar(`cpu ${core}`, loadPercent, online ? joined([percentText(loadPercent), mhz(freqMhz)]) : 'off'),
    ),
    '',
    `${'power'.padEnd(NAME_WIDTH)}${powerText(power)}`,
    ...wrapped(
      power.rails.map(({ name, powerMw }) => `${name} ${watts(powerMw)}`),
      columns,
    ),
    '',
    ...wrapped(
      temperatures.map(({ name, tempC }) => `${name} ${tempC.toFixed(1)} °C`),
      columns,
      'heat',
    ),
    `${'throttled'.padEnd(NAME_WIDTH)}${throttledBy.length === 0 ? 'no' : paint('red', throttledBy.join(', '))}`,
    paint(
      'dim',
      cut(
        `${source}, ${ageText(gpu.ageMs)}; ${counters.readings} readings, ${counters.odd} odd, ${counters.restarts} restarts`,
        columns,
      ),
    ),
  ];
  if (trouble !== null) lines.push(paint('yellow', cut(trouble.split('\n')[0] as string, columns)));
  return lines;
}

/** Everything that changes, in one line. */
export function line({ status, reading }: Watched, at: Date): string {
  const { gpu, memory, power, throttledBy } = status;
  const hottest = reading.temperatures.reduce<JetsonReading['temperatures'][number] | null>(
    (most, one) => (most === null || one.tempC > most.tempC ? one : most),
    null,
  );
  return joined(
    [
      at.toISOString().slice(11, 19),
      `gpu ${joined([percentText(gpu.utilizationPercent), mhz(gpu.freqMhz)])}`,
      `memory ${memoryText(memory)}`,
      `power ${powerText(power)}`,
      hottest === null ? '' : `${hottest.name} ${hottest.tempC.toFixed(1)} °C`,
      throttledBy.length === 0 ? '' : `throttled by ${throttledBy.join(', ')}`,
    ],
    '  ',
  );
}

function gauge(percent: number | null, width: number): string {
  const cells = Math.max(4, width);
  if (percent === null) return `[${'?'.repeat(1).padEnd(cells)}]`;
  const full = Math.round((cells * Math.min(100, Math.max(0, percent))) / 100);
  const text = '#'.repeat(full).padEnd(cells);
  return `[${percent >= 90 ? paint('red', text) : percent >= 60 ? paint('yellow', text) : paint('green', text)}]`;
}

function percentText(percent: number | null): string {
  return percent === null ? 'unknown' : `${Math.round(percent)} %`;
}

function mhz(freqMhz: number | null): string {
  return freqMhz === null ? '' : `${Math.round(freqMhz)} MHz`;
}

function watts(mw: number): string {
  return `${(mw / 1000).toFixed(2)} W`;
}

function powerText({ totalMw, estimated }: JetsonStatus['power']): string {
  if (totalMw === null) return 'unknown';
  return `${estimated ? 'about ' : ''}${watts(totalMw)}${estimated ? ' (the rails that are measured)' : ''}`;
}

function memoryText({ usedMb, totalMb }: JetsonStatus['memory']): string {
  return usedMb === null || totalMb === null ? 'unknown' : `${Math.round(usedMb)} of ${Math.round(totalMb)} MiB`;
}

function share({ usedMb, totalMb }: JetsonStatus['memory']): number | null {
  return usedMb === null || totalMb === null ? null : (100 * usedMb) / totalMb;
}

function ageText(ageMs: number | null): string {
  return ageMs === null ? 'nothing read of the GPU so far' : `GPU read ${(ageMs / 1000).toFixed(1)} s ago`;
}

function joined(parts: readonly string[], separator = ', '): string {
  return parts.filter((part) => part !== '').join(separator);
}

/** Words under a name, in as many lines as they need. */
function wrapped(words: readonly string[], columns: number, name = ''): string[] {
  const lines: string[] = [];
  let now = '';
  for (const word of words) {
    if (now !== '' && NAME_WIDTH + now.length + 3 + word.length > columns) {
      lines.push(now);
      now = '';
    }
    now = now === '' ? word : `${now}   ${word}`;
  }
  if (now !== '') lines.push(now);
  return lines.map((text, index) => `${(index === 0 ? name : '').padEnd(NAME_WIDTH)}${text}`);
}

function cut(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, Math.max(0, columns - 1))}…`;
}
