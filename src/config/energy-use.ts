import type { EnergyConfig } from './sections/energy.js';

/** What the options of energy mean together. */

/** Whether the energy that is read is divided among invocations: then their CPU time is measured. */
export function dividesEnergy({ source, attribution }: EnergyConfig): boolean {
  return source !== 'none' && attribution;
}

/** Why a worker cannot do what its options of energy say, as a sentence; null = it can. */
export function energyFault({ source, attribution, cap }: EnergyConfig): string | null {
  if (cap.watts === 0) return null;
  if (source === 'none') return 'energy.cap.watts needs a source of energy: set energy.source, or auto';
  if (!attribution)
    return 'energy.cap.watts needs energy.attribution: what invocations add to the power is learned from it';
  return null;
}
