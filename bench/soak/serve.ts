import { parseConfig } from '../../src/config/load.js';
import { closeLog, createLog } from '../../src/telemetry/logs/log.js';
import { Supervisor } from '../../src/worker/supervisor.js';
import { collectWhenAsked } from './collect.js';

/**
 * Runs a worker under its supervisor until its input ends: `node --expose-gc serve.js '<config as JSON>' <file of its shard>`, both built. Says `ready` when it serves. Its shard
 * (`collecting-shard.ts`) collects its garbage when asked to, so that what a heap holds can be told from what has not been collected yet.
 */

const [given = '{}', filename = ''] = process.argv.slice(2);
const config = parseConfig(JSON.parse(given));
const log = createLog(config);
const supervisor = new Supervisor({ config, log, task: { filename, execArgv: [] } });
await supervisor.start();
collectWhenAsked(config.dataDir, 'main');
console.log('ready');
// A terminal's Ctrl-C goes to all of its processes. This one ends when its owner, which clears up, closes its input.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
process.stdin.resume();
process.stdin.once('close', () => {
  void supervisor
    .stop(1000)
    .then(() => closeLog(log))
    .then(() => process.exit(0));
});
