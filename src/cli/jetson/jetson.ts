import { CommandHost } from '../command-host.js';
import { addJetsonFactsCommand } from './facts.js';
import { addJetsonWatchCommand } from './watch.js';

/** `iluvatar jetson`: the board itself, without a worker. */
export function addJetsonCommand(host: CommandHost): void {
  const jetson = host.add('jetson', 'watch an NVIDIA Jetson, record it, and play a recording', [
    'jetson watch',
    'jetson watch --record board.jsonl',
  ]);
  const inner = new CommandHost(jetson);
  addJetsonWatchCommand(inner);
  addJetsonFactsCommand(inner);
}
