import {
  ENERGY_SOURCES,
  type EnergyReading,
  type EnergySource,
  EnergySourceError,
  type EnergySourceName,
} from './energy-source.js';
import { ENERGY_SOURCE_MAKERS, type EnergySourceConfig } from './sources.js';

/** Which source is read: the one that was named, or the first of all that can be read. */

export interface SourceTrial {
  readonly name: EnergySourceName;
  /** null = it could be read. */
  readonly error: EnergySourceError | null;
  readonly reading: EnergyReading | null;
}

export interface EnergyLog {
  info(fields: Record<string, unknown>, message: string): void;
}

export function makeEnergySource(name: EnergySourceName, config: EnergySourceConfig): EnergySource {
  return ENERGY_SOURCE_MAKERS[name](config);
}

/** null = `none` is configured. Throws EnergySourceError: of the one that was named, or of all. Whoever gets it closes it. */
export async function openEnergySource(config: EnergySourceConfig, log: EnergyLog): Promise<EnergySource | null> {
  if (config.energy.source === 'none') return null;
  if (config.energy.source !== 'auto') {
    const source = makeEnergySource(config.energy.source, config);
    await source.open();
    return source;
  }
  const reasons: string[] = [];
  for (const name of ENERGY_SOURCES) {
    const source = makeEnergySource(name, config);
    try {
      await source.open();
      await source.read();
      log.info({ source: name, passedOver: reasons }, 'energy is read');
      return source;
    } catch (error) {
      await source.close();
      reasons.push(`${name}: ${(error as Error).message}`);
    }
  }
  throw new EnergySourceError('missing', `no source of energy can be read: ${reasons.join('; ')}`);
}

/** Opens each, reads it once and closes it; all at once, since some take seconds to say no. */
export function tryEnergySources(
  names: readonly EnergySourceName[],
  config: EnergySourceConfig,
): Promise<SourceTrial[]> {
  return Promise.all(names.map((name) => tryOne(makeEnergySource(name, config))));
}

async function tryOne(source: EnergySource): Promise<SourceTrial> {
  const { name } = source;
  try {
    await source.open();
    return { name, error: null, reading: await source.read() };
  } catch (error) {
    const known =
      error instanceof EnergySourceError ? error : new EnergySourceError('failed', (error as Error).message);
    return { name, error: known, reading: null };
  } finally {
    await source.close();
  }
}
