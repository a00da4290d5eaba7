import type { BackendContainer } from '../backend.js';
import type { Cell, CellObserver } from './cell.js';
import type { Reaper } from './reaper.js';

/** A container of an earlier process whose function is gone: there to be destroyed, and nothing that it says is listened to. */
export class StrandedCell implements BackendContainer, CellObserver {
  readonly name: string;
  cell: Cell | null = null;
  readonly #reaper: Reaper;

  constructor(name: string, reaper: Reaper) {
    this.name = name;
    this.#reaper = reaper;
  }

  async destroy(): Promise<void> {
    if (this.cell !== null) await this.#reaper.end(this.cell);
  }

  keepable(): null {
    return null;
  }

  run(): void {}
  cancel(): void {}
  cpuUs(): null {
    return null;
  }
  supervisorUp(): void {}
  agentUp(): void {}
  supervisorFrame(): void {}
  agentFrame(): void {}
  supervisorClosed(): void {}
  agentClosed(): void {}
  spawnFailed(): void {}
}
