import type { Rail, TotalPower } from './tegrastats-sample.js';

/**
 * What the whole board takes, of the rails that a line of tegrastats has. Boards with a sensor at their input say it; of others it is a sum of parts, which misses what has no sensor
 * (and what is lost on the way to them), and is marked as an estimate.
 */

/** Sensors at the input, the best first: Jetson TX1 and TX2, Xavier NX and Orin NX; Nano; Thor. */
const INPUTS = ['VDD_IN', 'POM_5V_IN', 'VIN'];

/** Not to be added: what another rail feeds (on an AGX Orin the memory is behind VIN_SYS_5V0), and pins that nothing is connected to. */
const NOT_ADDED = ['VDDQ_VDD2_1V8AO', 'NC'];

/** null = no rail that counts has a figure. */
export function totalPower(rails: readonly Pick<Rail, 'name' | 'powerMw'>[]): TotalPower | null {
  if (rails.length === 0) return null;
  for (const input of INPUTS) {
    for (const { name, powerMw } of rails) {
      if (powerMw !== null && isNamed(name, input)) return { powerMw, rails: [name], estimated: false };
    }
  }
  let sum = 0;
  const parts: string[] = [];
  for (const { name, powerMw } of rails) {
    if (powerMw === null || NOT_ADDED.some((other) => isNamed(name, other))) continue;
    sum += powerMw;
    parts.push(name);
  }
  return parts.length === 0 ? null : { powerMw: sum, rails: parts, estimated: true };
}

/** Names differ in case between releases. */
function isNamed(name: string, wanted: string): boolean {
  return name === wanted || (name.length === wanted.length && name.toUpperCase() === wanted);
}
