import { CommandHost } from '../command-host.js';
import { addSimCompareCommand } from './compare.js';
import { addSimFuzzCommand } from './fuzz.js';
import { addSimRunCommand } from './run.js';
import { addSimValidateCommand } from './validate.js';

/** `iluvatar sim`: the same engine on a clock that jumps. */
export function addSimCommand(host: CommandHost): void {
  const sim = host.add('sim', 'simulate a worker: the same engine, on a clock that jumps from event to event', [
    'sim run --trace trace.csv --functions functions.csv --set keepAlive.policy=ttl',
    'sim compare --trace trace.csv --functions functions.csv --policies all --memory 4g,8g --plot plot.svg',
    'sim fuzz --seeds 1000',
    'sim validate --seconds 60',
  ]);
  const inner = new CommandHost(sim);
  addSimRunCommand(inner);
  addSimCompareCommand(inner);
  addSimFuzzCommand(inner);
  addSimValidateCommand(inner);
}
