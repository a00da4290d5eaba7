import type { JetsonConfig } from '../../config/sections/jetson.js';
import { findProgram } from '../children/find-program.js';
import type { JetsonBoard } from './board.js';
import type { JetsonSource } from './jetson-source.js';
import { ReplaySource } from './replay-source.js';
import { SysfsSource } from './sysfs-source.js';
import { SystemFiles } from './system-files.js';
import { TegrastatsSource } from './tegrastats-source.js';

/** The source that the configuration names, or of those that there are the one that costs least. Null = there is no board to be asked, or nobody wants to. */
export function openJetsonSource(config: JetsonConfig, board: JetsonBoard | null): JetsonSource | null {
  const { source, intervalMs, root, replay } = config;
  if (replay.file !== '') return new ReplaySource({ path: replay.file, ...replay, intervalMs });
  if (source === 'none' || (source === 'auto' && board === null)) return null;
  if (source === 'tegrastats') return tegrastats(config);
  const sysfs = new SysfsSource({ files: new SystemFiles(root), intervalMs });
  if (source === 'sysfs' || (sysfs.has.gpu && sysfs.has.rails)) return sysfs;
  const [program] = config.command;
  const found = program !== undefined && 'file' in findProgram(program);
  // Without either, tegrastats: what it lacks is then named, and it may still be installed.
  return found || !sysfs.has.gpu ? tegrastats(config) : sysfs;
}

function tegrastats({ command, intervalMs, stallIntervals }: JetsonConfig): TegrastatsSource {
  return new TegrastatsSource({ command: command as [string, ...string[]], intervalMs, stallIntervals });
}
