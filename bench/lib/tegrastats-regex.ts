import type {
  CoreLoad,
  EngineLoad,
  MemoryUse,
  NamedEngine,
  NamedMemory,
  Rail,
  SwapUse,
  TegrastatsSample,
  Temperature,
} from '../../src/telemetry/jetson/tegrastats-sample.js';
import { totalPower } from '../../src/telemetry/jetson/total-power.js';

/**
 * Lines of tegrastats read the way one would write it in JavaScript: split into tokens, a regular expression for each kind. The peer of the bench `tegrastats`, and in tests a second opinion
 * about what a line says. It knows whole lines only: no streams, and nothing of loggers' prefixes.
 */

const TOKEN = /(?:\[[^\]]*\]|\([^)]*\)|\S)+/g;
const NAME = /^[A-Za-z][\w.-]*$/;
const DATE = /^\d\d-\d\d-\d{4}$/;
const TIME = /^\d\d:\d\d:\d\d$/;
const TEMPERATURE = /^([A-Za-z][\w.-]*)@(-?[\d.]+)C(?:\/(-?[\d.]+)C)?$/;
const MEMORY = /^(\d+)\/(\d+)([kMG]?B)(\(.*\))?$/i;
const LARGEST_FREE = /^\(lfb (?:(\d+)x)?(\d+)([kMG]?B)\)$/i;
const CACHED = /^\(cached (\d+)([kMG]?B)\)$/i;
const RAIL = /^(-?\d+)(mW)?(?:\/(-?\d+)(mW)?(?:\/(-?\d+)(mW)?)?)?$/;
const LOAD = /^(?:(off)|(\d+|N\/A)?%?(?:@(.+))?)$/i;
const KNOWN_ENGINE = /(_FREQ|^(APE|AVP|VDE|VIC|(NVENC|NVDEC|NVJPG|NVDLA|OFA|PVA|MSENC)\d*))$/i;
const UNITS: Record<string, number> = { B: 1 / 1024 / 1024, KB: 1 / 1024, MB: 1, GB: 1024 };

/** null = it is no line of tegrastats. */
export function parseWithRegex(line: string): TegrastatsSample | null {
  const tokens = line.match(TOKEN) ?? [];
  let date: string | null = null;
  let ram: MemoryUse | null = null;
  let swap: SwapUse | null = null;
  let iram: MemoryUse | null = null;
  let edpLimitMhz: number | null = null;
  let cpus: CoreLoad[] = [];
  let emc: EngineLoad | null = null;
  let gpu: EngineLoad | null = null;
  const otherMemory: NamedMemory[] = [];
  const engines: NamedEngine[] = [];
  const temperatures: Temperature[] = [];
  const rails: Rail[] = [];
  const unknown: string[] = [];
  let i = 0;
  if (DATE.test(tokens[0] ?? '') && TIME.test(tokens[1] ?? '')) {
    date = `${tokens[0]} ${tokens[1]}`;
    i = 2;
  }
  while (i < tokens.length) {
    const token = tokens[i] as string;
    const value = tokens[i + 1] ?? '';
    if (token === '|' || token.startsWith('DFS(')) {
      i++;
      continue;
    }
    const temperature = TEMPERATURE.exec(token);
    if (temperature !== null) {
      temperatures.push(readTemperature(temperature));
      i++;
      continue;
    }
    if (!NAME.test(token)) {
      unknown.push(token);
      i++;
      continue;
    }
    const upper = token.toUpperCase();
    const memory = MEMORY.exec(value);
    if (memory !== null) {
      const attached = memory[4];
      const next = tokens[i + 2] ?? '';
      const extra = attached ?? next;
      const unit = UNITS[(memory[3] as string).toUpperCase()] as number;
      const usedMb = Number(memory[1]) * unit;
      const totalMb = Number(memory[2]) * unit;
      const cached = CACHED.exec(extra);
      const free = LARGEST_FREE.exec(extra);
      if (upper === 'SWAP') {
        swap = { usedMb, totalMb, cachedMb: cached === null ? null : size(cached[1], cached[2]) };
      } else {
        const use = {
          usedMb,
          totalMb,
          largestFreeBlocks: free?.[1] === undefined ? null : Number(free[1]),
          largestFreeBlockMb: free === null ? null : size(free[2], free[3]),
        };
        if (upper === 'RAM') ram = use;
        else if (upper === 'IRAM') iram = use;
        else otherMemory.push({ name: token, ...use });
      }
      i += attached === undefined && (cached !== null || free !== null) ? 3 : 2;
      continue;
    }
    if (upper === 'CPU' && value.startsWith('[')) {
      cpus = readCores(value);
      i += 2;
      continue;
    }
    if (upper === 'MTS' && value === 'fg') {
      engines.push({ name: 'MTS fg', ...(readLoad(tokens[i + 2] as string) as EngineLoad) });
      engines.push({ name: 'MTS bg', ...(readLoad(tokens[i + 4] as string) as EngineLoad) });
      i += 5;
      continue;
    }
    if (upper === 'EDP' && value === 'limit') {
      edpLimitMhz = Number(tokens[i + 2]);
      i += 3;
      continue;
    }
    const rail = RAIL.exec(value);
    if (rail !== null && (rail[2] !== undefined || rail[3] !== undefined)) {
      rails.push({
        name: token,
        index: rails.filter(({ name }) => name === token).length,
        powerMw: Number(rail[1]),
        averageMw: rail[3] === undefined ? null : Number(rail[3]),
        peakMw: rail[5] === undefined ? null : Number(rail[5]),
      });
      i += 2;
      continue;
    }
    const load = value !== '' && (KNOWN_ENGINE.test(token) || /%|@|^off$/i.test(value)) ? readLoad(value) : null;
    if (load === null) {
      unknown.push(token);
      i++;
      continue;
    }
    if (upper === 'GR3D_FREQ' || upper === 'GR3D') gpu = load;
    else if (upper === 'EMC_FREQ' || upper === 'EMC') emc = load;
    else engines.push({ name: token, ...load });
    i += 2;
  }
  if (ram === null && cpus.length === 0 && gpu === null && temperatures.length === 0) return null;
  const memories = { ram, swap, iram, otherMemory, edpLimitMhz };
  const power = totalPower(rails);
  return { date, ...memories, cpus, emc, gpu, engines, temperatures, rails, totalPower: power, unknown };
}

function readTemperature([, name, now, peak]: RegExpExecArray): Temperature {
  const tempC = Number(now) < -40 ? null : Number(now);
  const peakC = peak === undefined || Number(peak) < -40 ? null : Number(peak);
  return { name: name as string, tempC, peakC, constant: name === 'PMIC' && (tempC === 100 || tempC === 50) };
}

function readCores(text: string): CoreLoad[] {
  const [, list = '', common] = /^\[([^\]]*)\](?:@(.+))?$/.exec(text) ?? [];
  return list.split(',').map((core) => {
    if (core.trim().toLowerCase() === 'off') return { online: false, loadPercent: null, freqMhz: null };
    const [load = '', freq] = core.trim().split('@');
    return { online: true, loadPercent: percent(load.replace('%', '')), freqMhz: frequency(freq ?? common ?? '') };
  });
}

function readLoad(text: string): EngineLoad | null {
  const match = LOAD.exec(text);
  if (match === null) return null;
  const [, off, load, freq] = match;
  if (off !== undefined) return { online: false, loadPercent: null, freqMhz: [] };
  if (!text.includes('%') && freq === undefined) return { online: true, loadPercent: null, freqMhz: [Number(text)] };
  const list = freq?.startsWith('[') ? freq.slice(1, -1).split(',') : freq === undefined ? [] : [freq];
  return { online: true, loadPercent: percent(load ?? ''), freqMhz: list.map(frequency) };
}

function percent(text: string): number | null {
  const value = text === '' ? Number.NaN : Number(text);
  return value >= 0 && value <= 100 ? value : null;
}

function frequency(text: string): number | null {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  return value >= 0 ? value : null;
}

function size(value: string | undefined, unit: string | undefined): number {
  return Number(value) * (UNITS[(unit ?? '').toUpperCase()] as number);
}
