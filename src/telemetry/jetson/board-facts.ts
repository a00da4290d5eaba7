import type { JetsonConfig } from '../../config/sections/jetson.js';
import { findProgram } from '../children/find-program.js';
import { detectBoard, type JetsonBoard } from './board.js';
import { Ina3221Rails } from './ina3221-rails.js';
import { openJetsonSource } from './open-jetson-source.js';
import { SysfsSource } from './sysfs-source.js';
import { SystemFiles } from './system-files.js';
import { Throttling } from './throttling.js';

/** What can be known of this board by this user, and who a worker would ask. Starts nothing. */
export interface BoardFacts {
  /** Null = this is no Jetson. */
  readonly board: JetsonBoard | null;
  /** Whom a worker with this configuration asks; null = nobody. */
  readonly source: 'tegrastats' | 'sysfs' | 'replay' | null;
  readonly tegrastats: { readonly file: string } | { readonly lacks: 'missing' | 'forbidden' };
  /** Files of the kernel that can be read: the load of the GPU, and power by rail. */
  readonly gpuLoad: boolean;
  readonly rails: { readonly found: number; readonly readable: readonly string[] };
  /** Whether the board says that it holds itself back. */
  readonly throttling: boolean;
}

export async function boardFacts(config: JetsonConfig): Promise<BoardFacts> {
  const board = detectBoard(config.root);
  const files = new SystemFiles(config.root);
  const rails = new Ina3221Rails(files);
  return {
    board,
    source: openJetsonSource(config, board)?.name ?? null,
    tegrastats: findProgram(config.command[0] as string),
    gpuLoad: new SysfsSource({ files, intervalMs: config.intervalMs }).has.gpu,
    rails: { found: rails.count, readable: (await rails.read()).map(({ name }) => name) },
    throttling: !new Throttling(files).blind,
  };
}
