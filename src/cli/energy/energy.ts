import { CommandHost } from '../command-host.js';
import { addEnergyMonitorCommand } from './monitor.js';
import { addEnergySourcesCommand } from './sources.js';

/** `iluvatar energy`: what this machine draws, without a worker. One line a subcommand. */
export function addEnergyCommand(host: CommandHost): void {
  const energy = host.add('energy', 'what this machine draws, and where that can be read', [
    'energy sources',
    'energy monitor --out power.parquet --duration 5m',
  ]);
  const inner = new CommandHost(energy);
  addEnergySourcesCommand(inner);
  addEnergyMonitorCommand(inner);
}
