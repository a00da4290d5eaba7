import type { BoardFacts } from '../../telemetry/jetson/board-facts.js';
import { action, type CommandHost } from '../command-host.js';
import { facts } from '../output.js';

/** `iluvatar jetson facts`: what board this is, and what of it this user can read. */
export function addJetsonFactsCommand(host: CommandHost): void {
  host
    .add('facts', 'say what board this is, what of it can be read, and whom a worker would ask', [
      'jetson facts',
      'sudo iluvatar jetson facts --json',
    ])
    .action(
      action(async (context) => {
        const { config } = await context.load();
        const { boardFacts } = await import('../../telemetry/jetson/board-facts.js');
        context.print(await boardFacts(config.jetson), factsText);
      }),
    );
}

function factsText({ board, source, tegrastats, gpuLoad, rails, throttling }: BoardFacts): string {
  if (board === null) return 'this is no Jetson: its device tree and /etc/nv_tegra_release say nothing of one\n';
  const { powerMode, l4t, jetpack } = board;
  const mode = powerMode === null ? 'not known' : `${powerMode.name ?? 'mode'} (${powerMode.id})`;
  return facts([
    ['board', board.model],
    ['chip', board.chip ?? 'not known'],
    ['release', l4t === null ? 'not known' : `L4T ${l4t}${jetpack === null ? '' : ` (JetPack ${jetpack})`}`],
    ['power mode', mode],
    ['memory', board.memoryMb === null ? 'not known' : `${board.memoryMb} MiB, of CPU and GPU together`],
    ['tegrastats', 'file' in tegrastats ? tegrastats.file : tegrastats.lacks],
    ['load of the GPU', gpuLoad ? 'can be read' : 'cannot be read'],
    ['power by rail', railsText(rails)],
    ['throttling', throttling ? 'can be seen' : 'cannot be seen'],
    ['a worker asks', source ?? 'nobody'],
  ]);
}

export function railsText({ found, readable }: BoardFacts['rails']): string {
  if (found === 0) return 'no INA3221 in /sys';
  return readable.length === 0 ? `${found} rails, none of which can be read` : readable.join(', ');
}
